-- Limits of calls that a tenant sets itself, beside those of its plan; and who waits for a place under one, over all workers.

-- Written with the event that says so.
CREATE TABLE agentledger.own_call_limits (
  tenant_id uuid  NOT NULL PRIMARY KEY,
  limits    jsonb NOT NULL
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.own_call_limits', 'api');
CREATE POLICY writer_keeps ON agentledger.own_call_limits FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.own_call_limits TO agentledger_api;
GRANT SELECT, INSERT, UPDATE (limits), DELETE ON agentledger.own_call_limits TO agentledger_writer;

-- How many calls of a worker wait for a place in a scope (as in 0093). told_until: a worker that is gone tells it no more.
CREATE UNLOGGED TABLE agentledger.calls_in_line (
  tenant_id  uuid             NOT NULL,
  scope_id   uuid             NOT NULL,
  worker_id  uuid             NOT NULL,
  calls      integer          NOT NULL,
  told_until double precision NOT NULL,
  PRIMARY KEY (tenant_id, scope_id, worker_id)
) WITH (fillfactor = 50);
CREATE INDEX calls_in_line_of_workers ON agentledger.calls_in_line (worker_id);
SELECT agentledger.isolate('agentledger.calls_in_line', 'api');
CREATE POLICY owner_counts ON agentledger.calls_in_line FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.calls_in_line TO agentledger_api;

-- lines: [{tenant, scope, calls}], all that wait at this worker. What workers left behind that are gone goes with it.
CREATE FUNCTION agentledger.tell_lines(worker uuid, lines json, told_s double precision, at timestamptz) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
BEGIN
  DELETE FROM agentledger.calls_in_line AS i WHERE i.worker_id = worker OR i.told_until <= agentledger.seconds_of(at);
  INSERT INTO agentledger.calls_in_line (tenant_id, scope_id, worker_id, calls, told_until)
    SELECT l.tenant, l.scope, worker, l.calls, agentledger.seconds_of(at) + told_s
      FROM json_to_recordset(lines) AS l(tenant uuid, scope uuid, calls integer);
END $$;

-- What a tenant itself holds its calls to. Read with the plan, so that nobody asks twice.
CREATE FUNCTION agentledger.own_call_limits_of(tenant uuid) RETURNS jsonb
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT o.limits FROM agentledger.own_call_limits AS o WHERE o.tenant_id = tenant $$;

-- What holds for all calls of the tenant that reads: of the plan and of its own the narrower one, and what is used of it.
-- Used or held, and not yet refilled, as of agents. Not in SQL, whose tables would have to be there already (0093).
CREATE FUNCTION agentledger.call_limits_now()
  RETURNS TABLE (own jsonb, concurrent_calls bigint, tokens_per_min bigint, cost_usd_per_min numeric,
                 calls_under_way bigint, calls_waiting bigint, tokens_used bigint, cost_used_usd numeric)
  LANGUAGE plpgsql STABLE SET search_path = '' AS
$$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.own, l.calls, l.tokens, l.cost,
         (SELECT count(*) FROM agentledger.calls_under_way AS u
           WHERE u.tenant_id = l.tenant AND u.scope_id = l.tenant AND u.leased_until > l.now_s),
         (SELECT coalesce(sum(i.calls), 0) FROM agentledger.calls_in_line AS i
           WHERE i.tenant_id = l.tenant AND i.scope_id = l.tenant AND i.told_until > l.now_s),
         ceil(l.tokens * greatest(coalesce(a.tokens_until, 0) - l.now_s, 0) / 60)::bigint,
         trim_scale(round((l.cost * (greatest(coalesce(a.cost_until, 0) - l.now_s, 0) / 60)::numeric), 12))
    FROM (
      SELECT t.tenant, t.now_s, coalesce(o.limits, '{}') AS own,
             least((p.limits ->> 'concurrent_calls')::bigint, (o.limits ->> 'concurrent_calls')::bigint) AS calls,
             least((p.limits ->> 'tokens_per_min')::bigint, (o.limits ->> 'tokens_per_min')::bigint) AS tokens,
             least((p.limits ->> 'cost_usd_per_min')::numeric, (o.limits ->> 'cost_usd_per_min')::numeric) AS cost
        FROM (SELECT agentledger.current_tenant() AS tenant, extract(epoch FROM clock_timestamp())::double precision AS now_s) AS t
        CROSS JOIN LATERAL agentledger.plan_of(t.tenant) AS p
        LEFT JOIN agentledger.own_call_limits AS o ON o.tenant_id = t.tenant) AS l
    LEFT JOIN agentledger.call_allowances AS a ON a.tenant_id = l.tenant AND a.scope_id = l.tenant;
END $$;

REVOKE EXECUTE ON FUNCTION agentledger.tell_lines, agentledger.own_call_limits_of, agentledger.call_limits_now FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.tell_lines TO agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.own_call_limits_of TO agentledger_api, agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.call_limits_now TO agentledger_api;
