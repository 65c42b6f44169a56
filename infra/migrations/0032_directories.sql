-- Directories of identity providers (SCIM): what is looked up in them, by keyed hashes only. What they say lies in the
-- log. Written with the events.
CREATE TABLE agentledger.directory_tokens (
  tenant_id   uuid NOT NULL,
  api_key_id  uuid NOT NULL,
  provider_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, api_key_id)
);
SELECT agentledger.isolate('agentledger.directory_tokens', 'api');
CREATE POLICY writer_keeps ON agentledger.directory_tokens FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.directory_tokens TO agentledger_api;
GRANT INSERT ON agentledger.directory_tokens TO agentledger_writer;

CREATE TABLE agentledger.directory_entries (
  tenant_id        uuid  NOT NULL,
  provider_id      uuid  NOT NULL,
  kind             text  NOT NULL,
  entry_id         uuid  NOT NULL,
  name_hash        bytea NOT NULL,
  external_id_hash bytea,
  PRIMARY KEY (tenant_id, entry_id),
  UNIQUE (tenant_id, provider_id, kind, name_hash)
) WITH (fillfactor = 80);
CREATE INDEX directory_entries_listed ON agentledger.directory_entries (tenant_id, provider_id, kind, entry_id);
CREATE INDEX directory_entries_external ON agentledger.directory_entries (tenant_id, provider_id, kind, external_id_hash);
SELECT agentledger.isolate('agentledger.directory_entries', 'api');
CREATE POLICY writer_keeps ON agentledger.directory_entries FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.directory_entries TO agentledger_api, agentledger_writer;
GRANT INSERT, UPDATE (name_hash, external_id_hash), DELETE ON agentledger.directory_entries TO agentledger_writer;

CREATE TABLE agentledger.directory_members (
  tenant_id uuid NOT NULL,
  group_id  uuid NOT NULL,
  user_id   uuid NOT NULL,
  PRIMARY KEY (tenant_id, group_id, user_id)
);
CREATE INDEX directory_members_of_user ON agentledger.directory_members (tenant_id, user_id);
SELECT agentledger.isolate('agentledger.directory_members', 'api');
CREATE POLICY writer_keeps ON agentledger.directory_members FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.directory_members TO agentledger_api, agentledger_writer;
GRANT INSERT, DELETE ON agentledger.directory_members TO agentledger_writer;
