-- What admission asks every second (infra/admission.py): how many executions of a tenant are open, and how long the
-- ones that nobody has started wait. Ids are of version 7, so their order is the order of their beginning.
CREATE INDEX open_executions_of_tenant ON agentledger.open_executions (tenant_id, (wake_at IS NULL), execution_id);
-- One in 32, for the shard is random: it counts a large tenant for the price of 3 % of its rows, and costs the writer
-- as little.
CREATE INDEX open_executions_sample ON agentledger.open_executions (tenant_id) WHERE shard < 2;

-- Per tenant: open executions, exact below counted_max, estimated above and not counted much beyond open_max; and the
-- largest of the given ages at which one waits that has no event but its first. bounds: the smallest id of that age.
-- Executions of one tenant begin oldest first, hence only the youngest few of each age are looked at; those with a
-- wake_at sleep and wait for nobody.
-- Spans tenants, so it runs with the owner's rights and hands out nothing but numbers. The table is emptied and
-- refilled faster than its statistics, so the one good plan is prescribed.
CREATE FUNCTION agentledger.admission_sample(tenants uuid[], counted_max bigint, open_max bigint,
                                             ages_s double precision[], bounds uuid[])
  RETURNS TABLE (tenant_id uuid, open_count bigint, lag_s double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS
$$
  SELECT t.tenant_id, greatest(counted.n, 32 * sampled.n), coalesce(waiting.age_s, 0)
    FROM unnest(tenants) AS t(tenant_id)
    CROSS JOIN LATERAL (
      SELECT count(*) AS n
        FROM (SELECT FROM agentledger.open_executions AS o
               WHERE o.tenant_id = t.tenant_id LIMIT counted_max) AS o) AS counted
    CROSS JOIN LATERAL (
      SELECT count(*) AS n
        FROM (SELECT FROM agentledger.open_executions AS o
               WHERE o.tenant_id = t.tenant_id AND o.shard < 2 AND counted.n >= counted_max
               LIMIT open_max / 32 + 1) AS o) AS sampled
    CROSS JOIN LATERAL (
      SELECT max(a.age_s) AS age_s FROM unnest(ages_s, bounds) AS a(age_s, bound)
       WHERE EXISTS (
         -- As a comparison of rows it can be read from open_executions_of_tenant only. With tenant_id = ... the primary
         -- key offers the same order, and was taken: 2 million rows for a tenant that has none.
         SELECT FROM (SELECT o.tenant_id, o.wake_at, o.execution_id FROM agentledger.open_executions AS o
                       WHERE (o.tenant_id, o.wake_at IS NULL, o.execution_id) < (t.tenant_id, true, a.bound)
                       ORDER BY o.tenant_id DESC, (o.wake_at IS NULL) DESC, o.execution_id DESC LIMIT 8) AS o
          WHERE o.tenant_id = t.tenant_id AND o.wake_at IS NULL
            AND NOT EXISTS (SELECT FROM agentledger.events AS e
                             WHERE e.originator_id = o.execution_id AND e.originator_version > 1))) AS waiting
$$;
REVOKE EXECUTE ON FUNCTION agentledger.admission_sample FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.admission_sample TO agentledger_api;
