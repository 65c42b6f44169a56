-- Every bulk operation that has not completed, written with its Created event and removed with its last one. Workers
-- share them: one at a time holds the lease, and whoever comes after it goes on at the cursor in the operation's events.
CREATE TABLE agentledger.open_bulk_operations (
  tenant_id    uuid        NOT NULL,
  operation_id uuid        NOT NULL,
  leased_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (operation_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.open_bulk_operations', 'api');
-- A worker serves all tenants. It may move the lease and nothing else.
CREATE POLICY worker_leases ON agentledger.open_bulk_operations FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.open_bulk_operations FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.open_bulk_operations FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.open_bulk_operations TO agentledger_api, agentledger_worker;
GRANT UPDATE (leased_until) ON agentledger.open_bulk_operations TO agentledger_worker;
GRANT INSERT, DELETE ON agentledger.open_bulk_operations TO agentledger_writer;
GRANT SELECT (tenant_id, operation_id) ON agentledger.open_bulk_operations TO agentledger_writer;
