-- Every execution that is not ended, written with its Created event and removed with its last one: what a worker
-- that takes over a shard has to look at. wake_at: the next moment something is due though nothing happens.
CREATE TABLE agentledger.open_executions (
  tenant_id    uuid        NOT NULL,
  execution_id uuid        NOT NULL,
  shard        smallint    NOT NULL,
  wake_at      timestamptz,
  opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (execution_id)
) WITH (fillfactor = 80);
CREATE INDEX open_executions_of_shard ON agentledger.open_executions (shard, execution_id);
SELECT agentledger.isolate('agentledger.open_executions', 'api');
-- A worker owns shards, not tenants: it must find the open executions of all of them. It can read, not write.
CREATE POLICY worker_reads ON agentledger.open_executions FOR SELECT TO agentledger_worker, agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.open_executions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.open_executions TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON agentledger.open_executions TO agentledger_writer;
