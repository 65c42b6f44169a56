-- Hashes of API keys, beside the log (events carry no secret). Looked up before the tenant is known, so by a function
-- that answers for one key id only.
CREATE TABLE agentledger.api_key_hashes (
  tenant_id   uuid        NOT NULL,
  api_key_id  uuid        NOT NULL,
  key_id      text        NOT NULL UNIQUE,
  secret_hash bytea       NOT NULL,
  scopes      text[]      NOT NULL,
  user_id     uuid,
  expires_at  timestamptz,
  revoked_at  timestamptz,
  PRIMARY KEY (tenant_id, api_key_id)
);
SELECT agentledger.isolate('agentledger.api_key_hashes', 'api');
CREATE POLICY writer_keeps ON agentledger.api_key_hashes FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_looks_up ON agentledger.api_key_hashes FOR SELECT TO agentledger_owner USING (true);
GRANT INSERT, UPDATE (revoked_at) ON agentledger.api_key_hashes TO agentledger_writer;
GRANT SELECT (tenant_id, api_key_id) ON agentledger.api_key_hashes TO agentledger_writer;

CREATE FUNCTION agentledger.api_key(wanted_key_id text)
  RETURNS TABLE (tenant_id uuid, api_key_id uuid, secret_hash bytea, scopes text[], user_id uuid,
                 expires_at timestamptz, revoked_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT k.tenant_id, k.api_key_id, k.secret_hash, k.scopes, k.user_id, k.expires_at, k.revoked_at
     FROM agentledger.api_key_hashes AS k WHERE k.key_id = wanted_key_id $$;
REVOKE EXECUTE ON FUNCTION agentledger.api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.api_key TO agentledger_api;
