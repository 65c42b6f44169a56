-- What a version of a plan costs (domain/plan_terms.py); NULL is nothing.
ALTER TABLE agentledger.plan_versions ADD COLUMN terms jsonb;

-- What time will change, of aggregates that nobody calls for it: when to look at which. Written with the events that say so.
-- Workers share them: one at a time holds the lease.
CREATE TABLE agentledger.deadlines (
  tenant_id    uuid        NOT NULL,
  kind         text        NOT NULL,
  subject_id   uuid        NOT NULL,
  due_at       timestamptz NOT NULL,
  leased_until timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (tenant_id, kind, subject_id)
) WITH (fillfactor = 50);
CREATE INDEX deadlines_by_time ON agentledger.deadlines (due_at);
SELECT agentledger.isolate('agentledger.deadlines', 'api');
-- A worker serves all tenants. It may move the lease and nothing else.
CREATE POLICY worker_leases ON agentledger.deadlines FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY writer_keeps ON agentledger.deadlines FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.deadlines TO agentledger_worker, agentledger_writer;
GRANT UPDATE (leased_until) ON agentledger.deadlines TO agentledger_worker;
GRANT INSERT, DELETE, UPDATE (due_at, leased_until) ON agentledger.deadlines TO agentledger_writer;
