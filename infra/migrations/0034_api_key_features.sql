-- Where a key may be used from, and the secret that it had before its last rotation.
ALTER TABLE agentledger.api_key_hashes
  ADD COLUMN allowed_addresses    cidr[] NOT NULL DEFAULT '{}',
  ADD COLUMN previous_key_id      text UNIQUE,
  ADD COLUMN previous_secret_hash bytea,
  ADD COLUMN previous_until       timestamptz;
GRANT UPDATE (allowed_addresses, key_id, secret_hash, previous_key_id, previous_secret_hash, previous_until)
  ON agentledger.api_key_hashes TO agentledger_writer;
-- A rotation moves them to the columns of the previous secret.
GRANT SELECT (key_id, secret_hash) ON agentledger.api_key_hashes TO agentledger_writer;

DROP FUNCTION agentledger.api_key;
CREATE FUNCTION agentledger.api_key_secret(wanted_key_id text)
  RETURNS TABLE (tenant_id uuid, api_key_id uuid, secret_hash bytea, scopes text[], user_id uuid,
                 expires_at timestamptz, revoked_at timestamptz, allowed_addresses text[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT k.tenant_id, k.api_key_id, k.secret_hash, k.scopes, k.user_id, k.expires_at, k.revoked_at,
         k.allowed_addresses::text[]
    FROM agentledger.api_key_hashes AS k WHERE k.key_id = wanted_key_id
  UNION ALL
  SELECT k.tenant_id, k.api_key_id, k.previous_secret_hash, k.scopes, k.user_id,
         least(k.expires_at, k.previous_until), k.revoked_at, k.allowed_addresses::text[]
    FROM agentledger.api_key_hashes AS k WHERE k.previous_key_id = wanted_key_id
$$;
REVOKE EXECUTE ON FUNCTION agentledger.api_key_secret FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.api_key_secret TO agentledger_api;

-- When a key was last used, to the minute; written in batches, a little later than it happened.
CREATE TABLE agentledger.api_key_uses (
  tenant_id    uuid        NOT NULL,
  api_key_id   uuid        NOT NULL,
  last_used_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, api_key_id)
);
SELECT agentledger.isolate('agentledger.api_key_uses', 'api');
CREATE POLICY owner_notes ON agentledger.api_key_uses FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.api_key_uses TO agentledger_api;

-- A batch spans tenants. Keys that are gone meanwhile leave nothing behind; in the order of the primary key, for two
-- processes note the same keys.
CREATE FUNCTION agentledger.note_api_key_uses(tenants uuid[], api_keys uuid[], used_at timestamptz) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  INSERT INTO agentledger.api_key_uses AS u (tenant_id, api_key_id, last_used_at)
  SELECT k.tenant_id, k.api_key_id, used_at
    FROM unnest(tenants, api_keys) AS noted(tenant_id, api_key_id)
    JOIN agentledger.api_key_hashes AS k USING (tenant_id, api_key_id)
   ORDER BY k.tenant_id, k.api_key_id
  ON CONFLICT (tenant_id, api_key_id) DO UPDATE SET last_used_at = EXCLUDED.last_used_at
    WHERE u.last_used_at < EXCLUDED.last_used_at
$$;
REVOKE EXECUTE ON FUNCTION agentledger.note_api_key_uses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.note_api_key_uses TO agentledger_api;
