-- The keys that sign the seals of the log. The private half is sealed for the platform (infra/data_keys.py). Public halves
-- are kept for ever: old seals are verified with them.
CREATE TABLE agentledger.seal_keys (
  key_id         text        PRIMARY KEY,
  public_key     bytea       NOT NULL,
  sealed_private bytea       NOT NULL,
  made_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT ON agentledger.seal_keys TO agentledger_projector;
GRANT SELECT (key_id, public_key, made_at) ON agentledger.seal_keys TO agentledger_api;

-- What an erased tenant leaves behind, now with its hashes in the seals: they hide what was hashed, and without them nobody
-- could prove anything of the log any more.
CREATE OR REPLACE FUNCTION agentledger.never_erased() RETURNS SETOF regclass LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT c.oid::regclass FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname IN ('events', 'audit_entries', 'data_keys', 'subject_keys', 'destroyed_keys', 'dead_letters',
                        'seal_heads', 'seal_tiles') $$;

-- One after the other, each over the events that were settled since the one before, and over the heads of the tenants whose
-- events they are. root and tree_size: of the tree of all heads. Nothing in it is about one tenant.
CREATE TABLE agentledger.log_seals (
  number          bigint      PRIMARY KEY CHECK (number > 0),
  tree_size       bigint      NOT NULL,
  root            bytea       NOT NULL,
  events_count    bigint      NOT NULL CHECK (events_count > 0),
  -- The place of its last event.
  era             smallint    NOT NULL,
  tx_id           xid8        NOT NULL,
  notification_id bigint      NOT NULL,
  sealed_at       timestamptz NOT NULL,
  previous        bytea       NOT NULL,
  key_id          text        NOT NULL REFERENCES agentledger.seal_keys,
  signature       bytea       NOT NULL
);
GRANT SELECT, INSERT ON agentledger.log_seals TO agentledger_projector;
GRANT SELECT ON agentledger.log_seals TO agentledger_api;

-- The size and the root of a tenant's tree as of a seal that has events of it: a leaf of the tree of heads.
CREATE TABLE agentledger.seal_heads (
  tenant_id  uuid   NOT NULL,
  number     bigint NOT NULL,
  size       bigint NOT NULL,
  root       bytea  NOT NULL,
  previous   bigint NOT NULL,
  leaf_index bigint NOT NULL,
  PRIMARY KEY (tenant_id, number)
);
SELECT agentledger.isolate('agentledger.seal_heads', 'api');
CREATE POLICY projector_seals ON agentledger.seal_heads FOR ALL TO agentledger_projector USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.seal_heads FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT, INSERT ON agentledger.seal_heads TO agentledger_projector;
GRANT SELECT ON agentledger.seal_heads TO agentledger_api;

-- The tree of each tenant's events, in tiles of 64 hashes (infra/merkle_tiles.py). Of level 0 also what was committed to of
-- each event's content, and the place of the first event.
CREATE TABLE agentledger.seal_tiles (
  tenant_id       uuid     NOT NULL,
  level           smallint NOT NULL,
  tile            bigint   NOT NULL,
  hashes          bytea    NOT NULL,
  commitments     bytea,
  era             smallint,
  tx_id           xid8,
  notification_id bigint,
  PRIMARY KEY (tenant_id, level, tile)
) WITH (fillfactor = 80);
-- Hashes cannot be compressed; nobody need try.
ALTER TABLE agentledger.seal_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL, ALTER COLUMN commitments SET STORAGE EXTERNAL;
CREATE INDEX seal_tiles_by_place ON agentledger.seal_tiles (tenant_id, era, tx_id, notification_id) WHERE level = 0;
SELECT agentledger.isolate('agentledger.seal_tiles', 'api');
CREATE POLICY projector_seals ON agentledger.seal_tiles FOR ALL TO agentledger_projector USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.seal_tiles FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT, INSERT, UPDATE (hashes, commitments) ON agentledger.seal_tiles TO agentledger_projector;
GRANT SELECT ON agentledger.seal_tiles TO agentledger_api;

-- The tree of heads. Hashes of hashes: they tell nobody anything, and every tenant needs some of them for its proofs.
CREATE TABLE agentledger.seal_head_tiles (
  level  smallint NOT NULL,
  tile   bigint   NOT NULL,
  hashes bytea    NOT NULL,
  PRIMARY KEY (level, tile)
) WITH (fillfactor = 80);
ALTER TABLE agentledger.seal_head_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, UPDATE (hashes) ON agentledger.seal_head_tiles TO agentledger_projector;
GRANT SELECT ON agentledger.seal_head_tiles TO agentledger_api;
