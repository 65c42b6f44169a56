-- Limits of the calls of models, over all workers (domain/call_limits.py): how many are under way at once, and how much they
-- use in a minute, of a tenant and of an agent.

-- What an agent may hold, written with the event that says so.
CREATE TABLE agentledger.agent_limits (
  tenant_id uuid  NOT NULL,
  agent_id  uuid  NOT NULL,
  limits    jsonb NOT NULL,
  PRIMARY KEY (tenant_id, agent_id)
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.agent_limits', 'api');
CREATE POLICY writer_keeps ON agentledger.agent_limits FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.agent_limits TO agentledger_api;
GRANT SELECT, INSERT, UPDATE (limits), DELETE ON agentledger.agent_limits TO agentledger_writer;

-- Of a tenant (scope_id: its id) or of an agent: the instants, in seconds of the epoch, at which all tokens and all costs of
-- past calls are paid for (the generic cell rate algorithm, as in 0035). The row is also what those wait at who take a place
-- at the same time. UNLOGGED, like what follows: after a crash of the server everybody begins with a full allowance.
CREATE UNLOGGED TABLE agentledger.call_allowances (
  tenant_id    uuid             NOT NULL,
  scope_id     uuid             NOT NULL,
  tokens_until double precision NOT NULL DEFAULT 0,
  cost_until   double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, scope_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.call_allowances', 'api');
CREATE POLICY owner_counts ON agentledger.call_allowances FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.call_allowances TO agentledger_api;

-- What is under way, in each scope that it counts in. leased_until: a worker that is gone does not renew it any more.
-- tokens_s, cost_s: what was held, in seconds of the limit as it was; tokens_per_min, cost_per_min: that limit.
CREATE UNLOGGED TABLE agentledger.calls_under_way (
  tenant_id      uuid             NOT NULL,
  scope_id       uuid             NOT NULL,
  call_id        uuid             NOT NULL,
  leased_until   double precision NOT NULL,
  tokens_s       double precision NOT NULL,
  cost_s         double precision NOT NULL,
  tokens_per_min double precision,
  cost_per_min   double precision,
  PRIMARY KEY (tenant_id, call_id, scope_id)
) WITH (fillfactor = 50);
CREATE INDEX calls_under_way_scopes ON agentledger.calls_under_way (tenant_id, scope_id);
SELECT agentledger.isolate('agentledger.calls_under_way', 'api');
CREATE POLICY owner_counts ON agentledger.calls_under_way FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.calls_under_way TO agentledger_api;

CREATE FUNCTION agentledger.seconds_of(at timestamptz) RETURNS double precision LANGUAGE sql VOLATILE SET search_path = '' AS
$$ SELECT extract(epoch FROM coalesce(at, clock_timestamp()))::double precision $$;

-- How much of a limit a call holds, in seconds: a minute at most, or one that uses more could never be made. NULL: no limit.
CREATE FUNCTION agentledger.held_s(most bigint, per_min double precision) RETURNS double precision
  LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT CASE WHEN per_min IS NOT NULL THEN least(most::double precision * 60 / per_min, 60) END $$;

-- No row: the call is under way. Otherwise what does not allow it now, and after how many seconds that does; NULL is as soon
-- as another one ends. limits: [{scope, calls, tokens, cost}]. Scopes are locked in one order. at: NULL is the clock of this server.
CREATE FUNCTION agentledger.take_call(tenant uuid, call uuid, limits json, tokens bigint, cost bigint,
                                      lease_s double precision, at timestamptz)
  RETURNS TABLE (scope uuid, what text, wait_s double precision)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  now_s double precision;
BEGIN
  INSERT INTO agentledger.call_allowances (tenant_id, scope_id)
    SELECT tenant, l.scope FROM json_to_recordset(limits) AS l(scope uuid) ORDER BY 2 ON CONFLICT DO NOTHING;
  PERFORM FROM agentledger.call_allowances AS a JOIN json_to_recordset(limits) AS l(scope uuid)
      ON a.tenant_id = tenant AND a.scope_id = l.scope ORDER BY a.scope_id FOR UPDATE OF a;
  now_s := agentledger.seconds_of(at);
  DELETE FROM agentledger.calls_under_way AS u USING json_to_recordset(limits) AS l(scope uuid)
   WHERE u.tenant_id = tenant AND u.scope_id = l.scope AND u.leased_until <= now_s;

  RETURN QUERY
    SELECT l.scope, w.what, w.wait_s
      FROM json_to_recordset(limits) AS l(scope uuid, calls bigint, tokens double precision, cost double precision)
      JOIN agentledger.call_allowances AS a ON a.tenant_id = tenant AND a.scope_id = l.scope
      CROSS JOIN LATERAL (VALUES
        ('concurrent_calls', l.calls <= (SELECT count(*) FROM agentledger.calls_under_way AS u
                                          WHERE u.tenant_id = tenant AND u.scope_id = l.scope), NULL),
        ('tokens_per_min', NULL, greatest(a.tokens_until - now_s, 0) + agentledger.held_s($4, l.tokens) - 60),
        ('cost_usd_per_min', NULL, greatest(a.cost_until - now_s, 0) + agentledger.held_s($5, l.cost) - 60)
      ) AS w(what, is_full, wait_s)
     WHERE w.is_full OR w.wait_s > 0.001;
  IF FOUND THEN
    RETURN;
  END IF;

  INSERT INTO agentledger.calls_under_way (tenant_id, scope_id, call_id, leased_until, tokens_s, cost_s, tokens_per_min, cost_per_min)
    SELECT tenant, l.scope, call, now_s + lease_s, coalesce(agentledger.held_s($4, l.tokens), 0), coalesce(agentledger.held_s($5, l.cost), 0), l.tokens, l.cost
      FROM json_to_recordset(limits) AS l(scope uuid, tokens double precision, cost double precision);
  UPDATE agentledger.call_allowances AS a
     SET tokens_until = CASE WHEN u.tokens_s > 0 THEN greatest(a.tokens_until, now_s) + u.tokens_s ELSE a.tokens_until END,
         cost_until = CASE WHEN u.cost_s > 0 THEN greatest(a.cost_until, now_s) + u.cost_s ELSE a.cost_until END
    FROM agentledger.calls_under_way AS u
   WHERE u.tenant_id = tenant AND u.call_id = call AND a.tenant_id = tenant AND a.scope_id = u.scope_id;
END $$;

-- calls: [{tenant, call, tokens, cost}] that have ended, with what they used; NULL counts as what was held. One that used more
-- is paid for within an hour at most, so that a single mistaken count shuts nobody out for longer.
CREATE FUNCTION agentledger.settle_calls(calls json, at timestamptz) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  now_s double precision;
BEGIN
  PERFORM FROM agentledger.call_allowances AS a
    JOIN (SELECT DISTINCT u.tenant_id, u.scope_id FROM agentledger.calls_under_way AS u
            JOIN json_to_recordset(calls) AS c(tenant uuid, call uuid) ON u.tenant_id = c.tenant AND u.call_id = c.call) AS s
      ON a.tenant_id = s.tenant_id AND a.scope_id = s.scope_id
   ORDER BY a.tenant_id, a.scope_id FOR UPDATE OF a;
  now_s := agentledger.seconds_of(at);
  WITH gone AS (
    DELETE FROM agentledger.calls_under_way AS u USING json_to_recordset(calls) AS c(tenant uuid, call uuid, tokens bigint, cost bigint)
     WHERE u.tenant_id = c.tenant AND u.call_id = c.call
    RETURNING u.tenant_id, u.scope_id, coalesce(c.tokens::double precision * 60 / u.tokens_per_min - u.tokens_s, 0) AS tokens_s,
              coalesce(c.cost::double precision * 60 / u.cost_per_min - u.cost_s, 0) AS cost_s
  )
  UPDATE agentledger.call_allowances AS a
     SET tokens_until = least(a.tokens_until + g.tokens_s, now_s + 3600),
         cost_until = least(a.cost_until + g.cost_s, now_s + 3600)
    FROM (SELECT gone.tenant_id, gone.scope_id, sum(gone.tokens_s) AS tokens_s, sum(gone.cost_s) AS cost_s
            FROM gone GROUP BY 1, 2) AS g
   WHERE a.tenant_id = g.tenant_id AND a.scope_id = g.scope_id;
END $$;

CREATE FUNCTION agentledger.renew_calls(calls json, lease_s double precision, at timestamptz) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  UPDATE agentledger.calls_under_way AS u SET leased_until = agentledger.seconds_of(at) + lease_s
    FROM json_to_recordset(calls) AS c(tenant uuid, call uuid)
   WHERE u.tenant_id = c.tenant AND u.call_id = c.call
$$;

-- What agents of a tenant may hold, by the agent; NULL where none has a limit. Read with the plan, so that nobody asks twice.
CREATE FUNCTION agentledger.agent_limits_of(tenant uuid) RETURNS jsonb
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT jsonb_object_agg(l.agent_id, l.limits) FROM agentledger.agent_limits AS l WHERE l.tenant_id = tenant $$;

-- ALQ01 is a quota (infra/quota_refusals.py). One at a time for each tenant, or two would both be the last.
CREATE FUNCTION agentledger.store_agent_limits(tenant uuid, agent uuid, told jsonb, at_most integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('agent limits ' || tenant, 0));
  IF (SELECT count(*) FROM agentledger.agent_limits AS l WHERE l.tenant_id = tenant AND l.agent_id <> agent) >= at_most THEN
    RAISE EXCEPTION 'agent_limits' USING ERRCODE = 'ALQ01', DETAIL = at_most::text;
  END IF;
  INSERT INTO agentledger.agent_limits (tenant_id, agent_id, limits) VALUES (tenant, agent, told)
    ON CONFLICT (tenant_id, agent_id) DO UPDATE SET limits = told;
END $$;

REVOKE EXECUTE ON FUNCTION agentledger.take_call, agentledger.settle_calls, agentledger.renew_calls,
  agentledger.agent_limits_of, agentledger.store_agent_limits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.take_call, agentledger.settle_calls, agentledger.renew_calls TO agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.agent_limits_of TO agentledger_api, agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.store_agent_limits TO agentledger_writer;
