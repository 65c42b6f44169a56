-- The sealed values of secrets and providers, by the id of their stream: the newest of each, beside the log, which says
-- only that there is one. Sealed under a key that the tenant's data key and the salt make (infra/vault.py).
CREATE TABLE agentledger.vault_entries (
  tenant_id     uuid        NOT NULL,
  entry_id      uuid        NOT NULL,
  value_version integer     NOT NULL,
  allowed_hosts text[]      NOT NULL,
  key_version   integer     NOT NULL,
  encrypted_key bytea       NOT NULL,
  salt          bytea       NOT NULL,
  iv            bytea       NOT NULL,
  auth_tag      bytea       NOT NULL,
  last_used_at  timestamptz,
  PRIMARY KEY (tenant_id, entry_id)
);
SELECT agentledger.isolate('agentledger.vault_entries', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.vault_entries FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (last_used_at) ON agentledger.vault_entries TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, DELETE,
      UPDATE (value_version, allowed_hosts, key_version, encrypted_key, salt, iv, auth_tag)
  ON agentledger.vault_entries TO agentledger_writer;
