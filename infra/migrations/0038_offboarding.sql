-- Every tenant that leaves, until it is gone; due_at is the end of its grace. Written with the events that say so. Workers
-- share them: one at a time holds the lease.
CREATE TABLE agentledger.open_offboardings (
  tenant_id    uuid        NOT NULL,
  due_at       timestamptz NOT NULL,
  leased_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.open_offboardings', 'api');
-- A worker serves all tenants. It may move the lease and nothing else.
CREATE POLICY worker_leases ON agentledger.open_offboardings FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.open_offboardings FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.open_offboardings FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.open_offboardings TO agentledger_api, agentledger_worker, agentledger_writer;
GRANT UPDATE (leased_until) ON agentledger.open_offboardings TO agentledger_worker;
GRANT INSERT, DELETE ON agentledger.open_offboardings TO agentledger_writer;

-- What the writer does with the events that say so.
CREATE FUNCTION agentledger.open_offboarding(tenant uuid, due timestamptz) RETURNS void LANGUAGE sql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
  UPDATE tenant_standings SET standing = 'offboarding' WHERE tenant_id = tenant;
  INSERT INTO open_offboardings (tenant_id, due_at) VALUES (tenant, due);
$$;

CREATE FUNCTION agentledger.close_offboarding(tenant uuid, now_is text) RETURNS void LANGUAGE sql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
  UPDATE tenant_standings SET standing = now_is WHERE tenant_id = tenant;
  DELETE FROM open_offboardings WHERE tenant_id = tenant;
$$;
