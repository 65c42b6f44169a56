-- For how many days tenants keep the payloads of executions that have ended (infra/retention.py). Tenants that keep them for
-- ever have no row. since: from then on all payloads that are not tiny lie in blobs, so that they can be removed. Workers
-- share the tenants: one at a time holds the lease, and after_stream is how far it has come.
CREATE TABLE agentledger.retention (
  tenant_id    uuid        NOT NULL,
  payload_days integer     NOT NULL,
  since        timestamptz NOT NULL DEFAULT clock_timestamp(),
  leased_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  after_stream uuid,
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.retention', 'api');
-- A worker serves all tenants. It may move the lease and the cursor and nothing else.
CREATE POLICY worker_leases ON agentledger.retention FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.retention FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.retention FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.retention TO agentledger_api, agentledger_worker, agentledger_writer;
GRANT UPDATE (leased_until, after_stream) ON agentledger.retention TO agentledger_worker;
GRANT INSERT, DELETE, UPDATE (payload_days) ON agentledger.retention TO agentledger_writer;

GRANT DELETE ON agentledger.blobs, agentledger.blob_uses TO agentledger_writer;
CREATE POLICY writer_removes ON agentledger.snapshots FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT DELETE ON agentledger.snapshots TO agentledger_writer;
GRANT SELECT (tenant_id, originator_id) ON agentledger.snapshots TO agentledger_writer;

-- Removes the blobs that only this stream refers to, and its snapshot, which holds their contents.
-- Rows are locked before it is asked who else uses them: an append that comes to use one of them at the same time updates
-- its row (infra/blob_statement.py). If it was first, the second statement sees its use; if it is second, it waits, finds
-- no row any more and stores one. Each statement of a volatile function has a snapshot of its own.
CREATE FUNCTION agentledger.remove_payloads(tenant uuid, stream uuid) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
DECLARE
  hashes bytea[];
  freed bigint;
BEGIN
  SELECT array_agg(u.sha256) INTO hashes FROM blob_uses AS u WHERE u.tenant_id = tenant AND u.stream_id = stream;
  PERFORM 1 FROM blobs AS b WHERE b.tenant_id = tenant AND b.sha256 = ANY(hashes)
    ORDER BY b.tenant_id, b.sha256 FOR UPDATE;
  DELETE FROM blob_uses AS u WHERE u.tenant_id = tenant AND u.stream_id = stream;
  WITH gone AS (
    DELETE FROM blobs AS b WHERE b.tenant_id = tenant AND b.sha256 = ANY(hashes)
       AND NOT EXISTS (SELECT FROM blob_uses AS u WHERE u.tenant_id = tenant AND u.sha256 = b.sha256)
    RETURNING b.bytes)
  SELECT coalesce(sum(g.bytes), 0) INTO freed FROM gone AS g;
  UPDATE blob_totals AS t SET bytes = t.bytes - freed WHERE t.tenant_id = tenant AND freed > 0;
  DELETE FROM snapshots AS s WHERE s.tenant_id = tenant AND s.originator_id = stream;
END $$;
