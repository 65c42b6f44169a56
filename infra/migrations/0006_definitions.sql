-- Canonical workflow definitions under their hash: what an execution pins. The events hold them too.
CREATE TABLE agentledger.definitions (
  tenant_id       uuid  NOT NULL,
  definition_hash text  NOT NULL,
  definition      bytea NOT NULL,
  PRIMARY KEY (tenant_id, definition_hash)
);
SELECT agentledger.isolate('agentledger.definitions', 'api', 'worker');
CREATE POLICY append_any ON agentledger.definitions FOR INSERT TO agentledger_writer WITH CHECK (true);
CREATE POLICY keys_of_any ON agentledger.definitions FOR SELECT TO agentledger_writer, agentledger_owner USING (true);
GRANT SELECT ON agentledger.definitions TO agentledger_api, agentledger_worker;
GRANT INSERT ON agentledger.definitions TO agentledger_writer;
GRANT SELECT (tenant_id, definition_hash) ON agentledger.definitions TO agentledger_writer;
