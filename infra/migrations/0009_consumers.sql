-- Where each projection stands, per partition. Moved by compare-and-set in the transaction of the rows, so a second
-- owner cannot move it. No tenant data. partitions_count is part of the key: another count is another numbering.
CREATE TABLE agentledger.projection_positions (
  projection       text     NOT NULL,
  partitions_count smallint NOT NULL,
  partition        smallint NOT NULL,
  era              smallint NOT NULL,
  tx_id            bigint   NOT NULL,
  notification_id  bigint   NOT NULL,
  cursor           text     NOT NULL,
  applied_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  recorded_at      timestamptz,
  PRIMARY KEY (projection, partitions_count, partition)
) WITH (fillfactor = 50);

-- A stream that a projection could not apply: parked with the error until it is replayed. The rest goes on.
CREATE TABLE agentledger.dead_letters (
  projection text        NOT NULL,
  stream_id  uuid        NOT NULL,
  tenant_id  uuid        NOT NULL,
  version    bigint      NOT NULL,
  topic      text        NOT NULL,
  error      text        NOT NULL CHECK (length(error) <= 4000),
  attempts   integer     NOT NULL DEFAULT 1,
  parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (projection, stream_id)
);
SELECT agentledger.isolate('agentledger.dead_letters', 'api');
CREATE POLICY projector_keeps ON agentledger.dead_letters FOR ALL TO agentledger_projector, agentledger_owner
  USING (true) WITH CHECK (true);

-- The lease of a partition of a group when the log port is PostgreSQL; the epoch grows with every new owner.
CREATE TABLE agentledger.partition_leases (
  consumer_group text        NOT NULL,
  partition      smallint    NOT NULL,
  owner          text,
  epoch          bigint      NOT NULL DEFAULT 0,
  expires_at     timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (consumer_group, partition)
) WITH (fillfactor = 50);
CREATE TABLE agentledger.group_members (
  consumer_group text        NOT NULL,
  member         text        NOT NULL,
  expires_at     timestamptz NOT NULL,
  PRIMARY KEY (consumer_group, member)
) WITH (fillfactor = 50);

-- How far the relay has published, per topic and shard range: a new topic is filled from the beginning.
CREATE TABLE agentledger.relay_positions (
  topic           text        NOT NULL,
  shard_range     text        NOT NULL,
  era             smallint    NOT NULL,
  tx_id           bigint      NOT NULL,
  notification_id bigint      NOT NULL,
  published_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, shard_range)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON agentledger.projection_positions, agentledger.dead_letters
  TO agentledger_projector;
GRANT SELECT ON agentledger.projection_positions, agentledger.dead_letters TO agentledger_api;
-- The PostgreSQL log reads as the relay does: every tenant's sealed events, nothing else.
GRANT SELECT, INSERT, UPDATE, DELETE ON agentledger.partition_leases, agentledger.group_members TO agentledger_relay;
GRANT SELECT, INSERT, UPDATE ON agentledger.relay_positions TO agentledger_relay;
GRANT SELECT ON agentledger.relay_positions TO agentledger_api, agentledger_projector;
