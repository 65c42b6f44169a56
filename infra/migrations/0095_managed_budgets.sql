-- Who alone may change a budget: the tenant, or who manages it (domain/budgets.py).
ALTER TABLE agentledger.budgets ADD COLUMN keeper text NOT NULL DEFAULT 'tenant'
  CHECK (keeper = ANY (ARRAY['tenant', 'reseller', 'operator']));

CREATE OR REPLACE FUNCTION agentledger.store_budget(tenant uuid, budget uuid, told json, at_most integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.change_budgets(tenant);
  IF (SELECT count(*) FROM agentledger.budgets AS b WHERE b.tenant_id = tenant AND b.is_active) >= at_most THEN
    RAISE EXCEPTION 'budgets' USING ERRCODE = 'ALQ01', DETAIL = at_most::text;
  END IF;
  INSERT INTO agentledger.budgets (tenant_id, budget_id, scope_type, scope_id, period, window_s, time_zone, limit_usd_pico,
                                   is_hard, notify_at, allows_unpriced, keeper)
    VALUES (tenant, budget, told ->> 'scope_type', (told ->> 'scope_id')::uuid, told ->> 'period',
            (told ->> 'window_s')::integer, told ->> 'time_zone', (told ->> 'limit_usd_pico')::bigint,
            (told ->> 'is_hard')::boolean, agentledger.parts_of(told -> 'notify_at'), (told ->> 'allows_unpriced')::boolean,
            told ->> 'keeper');
END $$;

-- How a budget stands in its present period. Of a budget for each run: the run that has come farthest.
CREATE FUNCTION agentledger.budget_standing(tenant uuid, budget uuid, period text, window_s integer, time_zone text)
  RETURNS TABLE (period_start timestamptz, spent numeric, reserved numeric, overshot numeric)
  LANGUAGE sql STABLE SET search_path = agentledger, pg_catalog AS
$$
  SELECT p.start, coalesce(sum(u.spent), 0), coalesce(sum(u.reserved), 0), coalesce(sum(u.overshot), 0)
    FROM (SELECT budget_period($3, $4, $5, now()) AS start) AS p
    LEFT JOIN LATERAL (
      SELECT c.spent, c.reserved, c.overshot FROM budget_counters AS c
       WHERE c.tenant_id = $1 AND c.budget_id = $2
         AND c.period_start >= CASE WHEN $4 IS NULL THEN p.start ELSE p.start - make_interval(secs => $4) END
         AND c.period_start <= p.start
       ORDER BY CASE WHEN $3 = 'run' THEN c.spent + c.reserved END DESC NULLS LAST
       LIMIT CASE WHEN $3 = 'run' THEN 1 END) AS u ON true
   GROUP BY p.start
$$;
