-- The scopes of an API key can be changed; its secret stays.
GRANT UPDATE (scopes) ON agentledger.api_key_hashes TO agentledger_writer;
