-- Where somebody signed in whose session it is, so that the sessions end with the provider; NULL: here, or before this.
ALTER TABLE agentledger.sessions ADD COLUMN provider_id uuid;
CREATE INDEX sessions_of_provider ON agentledger.sessions (tenant_id, provider_id)
  WHERE ended_at IS NULL AND provider_id IS NOT NULL;
GRANT SELECT (provider_id) ON agentledger.sessions TO agentledger_writer;
