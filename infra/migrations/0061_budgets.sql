-- Budgets beside the log: what holds, what was spent and what is reserved, all of it written in the transaction of the events
-- that say so. Amounts are pico-USD.
CREATE TABLE agentledger.budgets (
  tenant_id       uuid      NOT NULL,
  budget_id       uuid      NOT NULL,
  scope_type      text      NOT NULL,
  scope_id        uuid,
  period          text      NOT NULL,
  window_s        integer,
  time_zone       text      NOT NULL,
  limit_usd_pico  bigint    NOT NULL,
  is_hard         boolean   NOT NULL,
  notify_at       numeric[] NOT NULL,
  allows_unpriced boolean   NOT NULL,
  is_active       boolean   NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, budget_id)
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.budgets', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.budgets FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.budgets TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, UPDATE (limit_usd_pico, is_hard, notify_at, allows_unpriced, is_active)
  ON agentledger.budgets TO agentledger_writer;

-- Grows with every change of a tenant's budgets. Who stores the intent of a paid call names the one it knows, so that nobody
-- spends past a budget that it has not heard of.
CREATE TABLE agentledger.budget_revisions (
  tenant_id uuid   NOT NULL,
  revision  bigint NOT NULL,
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.budget_revisions', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.budget_revisions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.budget_revisions TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, UPDATE (revision) ON agentledger.budget_revisions TO agentledger_writer;

-- One budget in one period (of one run, where it is for each). run_id: nil of no run. period_start: the epoch where there is
-- but one period. reached: the thresholds that were told of. overshot: what was billed beyond what was reserved.
CREATE TABLE agentledger.budget_counters (
  tenant_id    uuid        NOT NULL,
  budget_id    uuid        NOT NULL,
  run_id       uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  period_start timestamptz NOT NULL DEFAULT 'epoch',
  spent        numeric NOT NULL DEFAULT 0,
  reserved     numeric NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  overshot     numeric NOT NULL DEFAULT 0,
  reached      numeric[]   NOT NULL DEFAULT '{}',
  is_exhausted boolean     NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, budget_id, run_id, period_start)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.budget_counters', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.budget_counters FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_rebuilds ON agentledger.budget_counters FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.budget_counters TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, UPDATE (spent, reserved, overshot, reached, is_exhausted), DELETE
  ON agentledger.budget_counters TO agentledger_writer;

-- What an attempt holds of a counter, until it is known what it cost.
CREATE TABLE agentledger.budget_reservations (
  tenant_id    uuid        NOT NULL,
  execution_id uuid        NOT NULL,
  path         text        NOT NULL,
  attempt      bigint      NOT NULL,
  budget_id    uuid        NOT NULL,
  run_id       uuid        NOT NULL,
  period_start timestamptz NOT NULL,
  amount       numeric NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (tenant_id, execution_id, path, attempt, budget_id)
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.budget_reservations', 'api');
CREATE POLICY writer_keeps ON agentledger.budget_reservations FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_rebuilds ON agentledger.budget_reservations FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.budget_reservations TO agentledger_api;
GRANT SELECT, INSERT, UPDATE (amount), DELETE ON agentledger.budget_reservations TO agentledger_writer;

-- What is to be told of a budget (sagas/budget_alerts.py), each once: the row goes in the transaction of the event.
CREATE TABLE agentledger.budget_alerts (
  tenant_id      uuid        NOT NULL,
  alert_id       uuid        NOT NULL DEFAULT gen_random_uuid(),
  budget_id      uuid        NOT NULL,
  run_id         uuid        NOT NULL,
  period_start   timestamptz NOT NULL,
  kind           text        NOT NULL CHECK (kind = ANY (ARRAY['threshold', 'exhausted', 'overshot'])),
  threshold      numeric,
  spent          numeric NOT NULL,
  limit_usd_pico bigint      NOT NULL,
  execution_id   uuid,
  path           text,
  attempt        bigint,
  reserved       numeric,
  due_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, alert_id)
) WITH (fillfactor = 50);
CREATE INDEX budget_alerts_due ON agentledger.budget_alerts (due_at);
SELECT agentledger.isolate('agentledger.budget_alerts', 'api');
CREATE POLICY worker_tells ON agentledger.budget_alerts FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY writer_keeps ON agentledger.budget_alerts FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.budget_alerts TO agentledger_api;
GRANT SELECT, UPDATE (due_at) ON agentledger.budget_alerts TO agentledger_worker;
GRANT SELECT, INSERT, DELETE ON agentledger.budget_alerts TO agentledger_writer;

-- What is known of a tenant's budgets, for who decides; the limits that hold are read again when something is reserved.
CREATE FUNCTION agentledger.budgets_of(tenant uuid) RETURNS TABLE (revision bigint, rules json)
  LANGUAGE sql STABLE SECURITY INVOKER SET search_path = '' AS
$$
  SELECT coalesce((SELECT r.revision FROM agentledger.budget_revisions AS r WHERE r.tenant_id = tenant), 0),
         (SELECT json_agg(json_build_array(b.budget_id, b.scope_type, b.scope_id, b.period, b.window_s, b.time_zone,
                                           b.limit_usd_pico, b.is_hard, b.allows_unpriced) ORDER BY b.budget_id)
            FROM agentledger.budgets AS b WHERE b.tenant_id = tenant AND b.is_active)
$$;

-- Everything that is kept of a budget that begins. One at a time for each tenant, which the row of the revision sees to.
CREATE FUNCTION agentledger.store_budget(tenant uuid, budget uuid, told json, at_most integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.change_budgets(tenant);
  IF (SELECT count(*) FROM agentledger.budgets AS b WHERE b.tenant_id = tenant AND b.is_active) >= at_most THEN
    RAISE EXCEPTION 'budgets' USING ERRCODE = 'ALQ01', DETAIL = at_most::text;
  END IF;
  INSERT INTO agentledger.budgets (tenant_id, budget_id, scope_type, scope_id, period, window_s, time_zone, limit_usd_pico,
                                   is_hard, notify_at, allows_unpriced)
    VALUES (tenant, budget, told ->> 'scope_type', (told ->> 'scope_id')::uuid, told ->> 'period',
            (told ->> 'window_s')::integer, told ->> 'time_zone', (told ->> 'limit_usd_pico')::bigint,
            (told ->> 'is_hard')::boolean, agentledger.parts_of(told -> 'notify_at'), (told ->> 'allows_unpriced')::boolean);
END $$;

CREATE FUNCTION agentledger.revise_budget(tenant uuid, budget uuid, told json) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.change_budgets(tenant);
  UPDATE agentledger.budgets AS b
     SET limit_usd_pico = (told ->> 'limit_usd_pico')::bigint, is_hard = (told ->> 'is_hard')::boolean,
         notify_at = agentledger.parts_of(told -> 'notify_at'), allows_unpriced = (told ->> 'allows_unpriced')::boolean
   WHERE b.tenant_id = tenant AND b.budget_id = budget;
END $$;

CREATE FUNCTION agentledger.remove_budget(tenant uuid, budget uuid) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.change_budgets(tenant);
  UPDATE agentledger.budgets AS b SET is_active = false WHERE b.tenant_id = tenant AND b.budget_id = budget;
END $$;

CREATE FUNCTION agentledger.change_budgets(tenant uuid) RETURNS void LANGUAGE sql VOLATILE SET search_path = '' AS
$$
  INSERT INTO agentledger.budget_revisions AS r (tenant_id, revision) VALUES (tenant, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET revision = r.revision + 1
$$;

CREATE FUNCTION agentledger.parts_of(told json) RETURNS numeric[] LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT coalesce(array_agg(part::numeric ORDER BY part::numeric), '{}') FROM json_array_elements_text(told) AS part $$;

-- ALB02: some of these tenants have other budgets than the caller knows. DETAIL names them.
CREATE FUNCTION agentledger.require_known_budgets(known json) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
DECLARE
  changed json;
BEGIN
  SELECT json_agg(k.tenant) INTO changed
    FROM json_to_recordset(known) AS k(tenant uuid, revision bigint)
    LEFT JOIN budget_revisions AS r ON r.tenant_id = k.tenant
   WHERE coalesce(r.revision, 0) <> k.revision;
  IF changed IS NOT NULL THEN
    RAISE EXCEPTION 'budgets changed' USING ERRCODE = 'ALB02', DETAIL = changed::text;
  END IF;
END $$;

-- What is spent and reserved of a counter, or of a rolling window that ends with it.
CREATE FUNCTION agentledger.budget_used(tenant uuid, budget uuid, run uuid, period timestamptz, window_s integer)
  RETURNS TABLE (spent numeric, reserved numeric) LANGUAGE sql STABLE SET search_path = agentledger, pg_catalog AS
$$
  SELECT coalesce(sum(c.spent), 0), coalesce(sum(c.reserved), 0) FROM budget_counters AS c
   WHERE c.tenant_id = tenant AND c.budget_id = budget AND c.run_id = run
     AND c.period_start >= CASE WHEN window_s IS NULL THEN period ELSE period - make_interval(secs => window_s) END
     AND c.period_start <= period
$$;

-- Moves what the events of an append say: settles, then reserves, then counts. ALB01: what is left of a hard budget does not
-- pay for it; DETAIL says of which appends (`place`) and budgets. Counters are locked in one order, so that two appends never
-- wait for each other.
CREATE FUNCTION agentledger.apply_budgets(moves json) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS
$$
DECLARE
  touched json;
  refused json[] := '{}';
  full_ones json;
  at integer;
BEGIN
  PERFORM require_known_budgets(moves -> 'known');

  INSERT INTO budget_counters (tenant_id, budget_id, run_id, period_start)
    SELECT t.tenant, t.budget, t.run, t.period FROM (
      SELECT r.tenant, r.budget, r.run, r.period
        FROM json_to_recordset(moves -> 'reserve') AS r(tenant uuid, budget uuid, run uuid, period timestamptz)
      UNION
      SELECT n.tenant, n.budget, n.run, n.period
        FROM json_to_recordset(moves -> 'count') AS n(tenant uuid, budget uuid, run uuid, period timestamptz)
      UNION
      SELECT b.tenant_id, b.budget_id, r.run, 'epoch'
        FROM json_to_recordset(moves -> 'reserve') AS r(tenant uuid, budget uuid, run uuid)
        JOIN budgets AS b ON b.tenant_id = r.tenant AND b.budget_id = r.budget AND b.window_s IS NOT NULL
      UNION
      SELECT x.tenant, x.budget, x.run, told_period(x.period, b.window_s)
        FROM json_to_recordset(moves -> 'exhaust') AS x(tenant uuid, budget uuid, run uuid, period timestamptz)
        JOIN budgets AS b ON b.tenant_id = x.tenant AND b.budget_id = x.budget) AS t
     ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING;

  PERFORM FROM budget_counters AS c JOIN (
      SELECT r.tenant, r.budget, r.run, r.period
        FROM json_to_recordset(moves -> 'reserve') AS r(tenant uuid, budget uuid, run uuid, period timestamptz)
      UNION
      SELECT n.tenant, n.budget, n.run, n.period
        FROM json_to_recordset(moves -> 'count') AS n(tenant uuid, budget uuid, run uuid, period timestamptz)
      UNION
      SELECT b.tenant_id, b.budget_id, r.run, 'epoch'
        FROM json_to_recordset(moves -> 'reserve') AS r(tenant uuid, budget uuid, run uuid)
        JOIN budgets AS b ON b.tenant_id = r.tenant AND b.budget_id = r.budget AND b.window_s IS NOT NULL
      UNION
      SELECT v.tenant_id, v.budget_id, v.run_id, v.period_start
        FROM json_to_recordset(moves -> 'settle') AS s(tenant uuid, execution uuid, path text, attempt bigint)
        JOIN budget_reservations AS v
          ON v.tenant_id = s.tenant AND v.execution_id = s.execution AND v.path = s.path AND v.attempt = s.attempt
      UNION
      SELECT x.tenant, x.budget, x.run, told_period(x.period, b.window_s)
        FROM json_to_recordset(moves -> 'exhaust') AS x(tenant uuid, budget uuid, run uuid, period timestamptz)
        JOIN budgets AS b ON b.tenant_id = x.tenant AND b.budget_id = x.budget) AS t
      ON c.tenant_id = t.tenant AND c.budget_id = t.budget AND c.run_id = t.run AND c.period_start = t.period
   ORDER BY c.tenant_id, c.budget_id, c.run_id, c.period_start FOR UPDATE OF c;

  IF moves -> 'settle' IS NOT NULL THEN
    -- A cost that nobody knows counts as what was reserved.
    WITH gone AS (
      DELETE FROM budget_reservations AS v
       USING json_to_recordset(moves -> 'settle') AS s(tenant uuid, execution uuid, path text, attempt bigint, cost numeric)
       WHERE v.tenant_id = s.tenant AND v.execution_id = s.execution AND v.path = s.path AND v.attempt = s.attempt
      RETURNING v.*, coalesce(s.cost, v.amount) AS cost
    ), beyond AS (
      INSERT INTO budget_alerts (tenant_id, budget_id, run_id, period_start, kind, spent, limit_usd_pico, execution_id, path,
                                 attempt, reserved)
      SELECT g.tenant_id, g.budget_id, g.run_id, g.period_start, 'overshot', g.cost, b.limit_usd_pico, g.execution_id, g.path,
             g.attempt, g.amount
        FROM gone AS g JOIN budgets AS b ON b.tenant_id = g.tenant_id AND b.budget_id = g.budget_id AND b.is_active
       WHERE g.cost > g.amount AND NOT b.allows_unpriced
    ), moved AS (
      UPDATE budget_counters AS c
         SET reserved = c.reserved - g.amount, spent = c.spent + g.cost, overshot = c.overshot + g.beyond
        FROM (SELECT tenant_id, budget_id, run_id, period_start, sum(amount) AS amount, sum(cost) AS cost,
                     sum(greatest(cost - amount, 0)) AS beyond FROM gone GROUP BY 1, 2, 3, 4) AS g
       WHERE c.tenant_id = g.tenant_id AND c.budget_id = g.budget_id AND c.run_id = g.run_id
         AND c.period_start = g.period_start
      RETURNING c.tenant_id, c.budget_id, c.run_id, c.period_start
    )
    SELECT json_agg(moved) INTO touched FROM moved;
    PERFORM note_thresholds(touched);
  END IF;

  IF moves -> 'count' IS NOT NULL THEN
    WITH moved AS (
      UPDATE budget_counters AS c SET spent = c.spent + n.cost
        FROM (SELECT tenant, budget, run, period, sum(cost) AS cost
                FROM json_to_recordset(moves -> 'count')
                  AS n(tenant uuid, budget uuid, run uuid, period timestamptz, cost numeric)
               GROUP BY 1, 2, 3, 4) AS n
       WHERE c.tenant_id = n.tenant AND c.budget_id = n.budget AND c.run_id = n.run AND c.period_start = n.period
      RETURNING c.tenant_id, c.budget_id, c.run_id, c.period_start
    )
    SELECT json_agg(moved) INTO touched FROM moved;
    PERFORM note_thresholds(touched);
  END IF;

  IF moves -> 'exhaust' IS NOT NULL THEN
    WITH noted AS (
      UPDATE budget_counters AS c SET is_exhausted = true
        FROM (SELECT DISTINCT x.tenant, x.budget, x.run, told_period(x.period, b.window_s) AS period
                FROM json_to_recordset(moves -> 'exhaust') AS x(tenant uuid, budget uuid, run uuid, period timestamptz)
                JOIN budgets AS b ON b.tenant_id = x.tenant AND b.budget_id = x.budget) AS x
       WHERE c.tenant_id = x.tenant AND c.budget_id = x.budget AND c.run_id = x.run AND c.period_start = x.period
         AND NOT c.is_exhausted
      RETURNING c.*
    )
    INSERT INTO budget_alerts (tenant_id, budget_id, run_id, period_start, kind, spent, limit_usd_pico)
    SELECT n.tenant_id, n.budget_id, n.run_id, n.period_start, 'exhausted', n.spent, b.limit_usd_pico
      FROM noted AS n JOIN budgets AS b ON b.tenant_id = n.tenant_id AND b.budget_id = n.budget_id AND b.is_active;
  END IF;

  IF moves -> 'reserve' IS NULL THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM unpaid_budgets(moves -> 'reserve', NULL)) THEN
    PERFORM reserve_budgets(moves -> 'reserve', NULL);
  ELSE
    -- One append after the other, so that as many as can be are stored.
    FOR at IN SELECT DISTINCT r.place FROM json_to_recordset(moves -> 'reserve') AS r(place integer) ORDER BY 1 LOOP
      SELECT json_agg(u) INTO full_ones FROM unpaid_budgets(moves -> 'reserve', at) AS u;
      IF full_ones IS NULL THEN
        PERFORM reserve_budgets(moves -> 'reserve', at);
      ELSE
        refused := refused || json_build_object('place', at, 'budgets', full_ones);
      END IF;
    END LOOP;
    RAISE EXCEPTION 'budgets exceeded' USING ERRCODE = 'ALB01', DETAIL = array_to_json(refused)::text;
  END IF;

  INSERT INTO budget_reservations (tenant_id, execution_id, path, attempt, budget_id, run_id, period_start, amount)
    SELECT r.tenant, r.execution, r.path, r.attempt, r.budget, r.run, r.period, r.amount
      FROM json_to_recordset(moves -> 'reserve') AS r(tenant uuid, execution uuid, path text, attempt bigint, budget uuid,
                                                      run uuid, period timestamptz, amount numeric);
END $$;

-- Of what is to be reserved (at: of one append only), the counters that do not have as much left. cap: a limit that is no
-- budget's, as a plan's.
CREATE FUNCTION agentledger.unpaid_budgets(wanted json, at integer)
  RETURNS TABLE (budget uuid, run uuid, period timestamptz, allowed numeric, spent numeric, reserved numeric)
  LANGUAGE sql STABLE SET search_path = agentledger, pg_catalog AS
$$
  SELECT w.budget, w.run, w.period, coalesce(w.cap, b.limit_usd_pico), u.spent, u.reserved
    FROM (SELECT r.tenant, r.budget, r.run, r.period, min(r.cap) AS cap, sum(r.amount) AS amount
            FROM json_to_recordset(wanted) AS r(place integer, tenant uuid, budget uuid, run uuid, period timestamptz,
                                                cap numeric, amount numeric)
           WHERE at IS NULL OR r.place = at GROUP BY 1, 2, 3, 4) AS w
    LEFT JOIN budgets AS b ON b.tenant_id = w.tenant AND b.budget_id = w.budget
    CROSS JOIN LATERAL budget_used(w.tenant, w.budget, w.run, w.period, b.window_s) AS u
   WHERE (w.cap IS NOT NULL OR b.is_hard AND b.is_active)
     AND u.spent + u.reserved + w.amount > coalesce(w.cap, b.limit_usd_pico)
$$;

CREATE FUNCTION agentledger.reserve_budgets(wanted json, at integer) RETURNS void
  LANGUAGE sql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
  UPDATE budget_counters AS c SET reserved = c.reserved + w.amount
    FROM (SELECT r.tenant, r.budget, r.run, r.period, sum(r.amount) AS amount
            FROM json_to_recordset(wanted) AS r(place integer, tenant uuid, budget uuid, run uuid, period timestamptz,
                                                amount numeric)
           WHERE at IS NULL OR r.place = at GROUP BY 1, 2, 3, 4) AS w
   WHERE c.tenant_id = w.tenant AND c.budget_id = w.budget AND c.run_id = w.run AND c.period_start = w.period
$$;

-- Of a rolling window the thresholds are told once for each time as long as the window.
CREATE FUNCTION agentledger.told_period(period timestamptz, window_s integer) RETURNS timestamptz
  LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT CASE WHEN window_s IS NULL THEN period ELSE date_bin(make_interval(secs => window_s), period, 'epoch') END $$;

-- Thresholds that these counters have come to, each told once: who noted it first has the row locked.
CREATE FUNCTION agentledger.note_thresholds(counters json) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
BEGIN
  IF counters IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO budget_counters (tenant_id, budget_id, run_id, period_start)
    SELECT DISTINCT b.tenant_id, b.budget_id, t.run_id, told_period(t.period_start, b.window_s)
      FROM json_to_recordset(counters) AS t(tenant_id uuid, budget_id uuid, run_id uuid, period_start timestamptz)
      JOIN budgets AS b ON b.tenant_id = t.tenant_id AND b.budget_id = t.budget_id AND b.window_s IS NOT NULL
     ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING;
  WITH crossed AS (
    SELECT DISTINCT t.tenant_id, t.budget_id, t.run_id, told_period(t.period_start, b.window_s) AS period_start,
           p.part, max(u.spent) AS spent, b.limit_usd_pico
      FROM json_to_recordset(counters) AS t(tenant_id uuid, budget_id uuid, run_id uuid, period_start timestamptz)
      JOIN budgets AS b ON b.tenant_id = t.tenant_id AND b.budget_id = t.budget_id AND b.is_active
      CROSS JOIN LATERAL budget_used(t.tenant_id, t.budget_id, t.run_id, t.period_start, b.window_s) AS u
      CROSS JOIN LATERAL unnest(b.notify_at) AS p(part)
     WHERE u.spent >= p.part * b.limit_usd_pico
     GROUP BY 1, 2, 3, 4, 5, b.limit_usd_pico
  ), fresh AS (
    SELECT x.* FROM crossed AS x JOIN budget_counters AS c
        ON c.tenant_id = x.tenant_id AND c.budget_id = x.budget_id AND c.run_id = x.run_id
       AND c.period_start = x.period_start
     WHERE NOT x.part = ANY (c.reached)
  ), noted AS (
    UPDATE budget_counters AS c SET reached = c.reached || f.parts
      FROM (SELECT tenant_id, budget_id, run_id, period_start, array_agg(part ORDER BY part) AS parts
              FROM fresh GROUP BY 1, 2, 3, 4) AS f
     WHERE c.tenant_id = f.tenant_id AND c.budget_id = f.budget_id AND c.run_id = f.run_id
       AND c.period_start = f.period_start
  )
  INSERT INTO budget_alerts (tenant_id, budget_id, run_id, period_start, kind, threshold, spent, limit_usd_pico)
    SELECT tenant_id, budget_id, run_id, period_start, 'threshold', part, spent, limit_usd_pico FROM fresh;
END $$;

-- Nothing is held any more; what the attempt turns out to cost counts all the same. ALB03: it holds nothing.
CREATE FUNCTION agentledger.release_budget_hold(tenant uuid, budget uuid, execution uuid, node_path text, number bigint)
  RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
DECLARE
  held budget_reservations;
BEGIN
  SELECT * INTO held FROM budget_reservations AS v
   WHERE v.tenant_id = tenant AND v.execution_id = execution AND v.path = node_path AND v.attempt = number
     AND v.budget_id = budget AND v.amount > 0;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'nothing held' USING ERRCODE = 'ALB03';
  END IF;
  -- The counter first, as everybody does.
  PERFORM FROM budget_counters AS c WHERE c.tenant_id = tenant AND c.budget_id = budget AND c.run_id = held.run_id
    AND c.period_start = held.period_start FOR UPDATE;
  WITH was AS (
    SELECT v.amount FROM budget_reservations AS v
     WHERE v.tenant_id = tenant AND v.execution_id = execution AND v.path = node_path AND v.attempt = number
       AND v.budget_id = budget AND v.amount > 0
  ), freed AS (
    UPDATE budget_reservations AS v SET amount = 0
     WHERE v.tenant_id = tenant AND v.execution_id = execution AND v.path = node_path AND v.attempt = number
       AND v.budget_id = budget AND v.amount > 0
  )
  UPDATE budget_counters AS c SET reserved = c.reserved - was.amount FROM was
   WHERE c.tenant_id = tenant AND c.budget_id = budget AND c.run_id = held.run_id AND c.period_start = held.period_start;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'nothing held' USING ERRCODE = 'ALB03';
  END IF;
END $$;

-- The row of an alert goes with its event; ALB04: another worker told it.
CREATE FUNCTION agentledger.told_budget_alert(tenant uuid, alert uuid) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
BEGIN
  DELETE FROM budget_alerts AS a WHERE a.tenant_id = tenant AND a.alert_id = alert;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'told already' USING ERRCODE = 'ALB04';
  END IF;
END $$;

-- The beginning of the period that an instant is in, as domain/budget_rules.py has it.
CREATE FUNCTION agentledger.budget_period(period text, window_s integer, time_zone text, at timestamptz) RETURNS timestamptz
  LANGUAGE sql STABLE SET search_path = '' AS
$$
  SELECT CASE period
    WHEN 'day' THEN date_trunc('day', at, time_zone)
    WHEN 'month' THEN date_trunc('month', at, time_zone)
    WHEN 'rolling' THEN date_bin(make_interval(secs => (window_s::bigint * 1000 / 96)::double precision / 1000), at, 'epoch')
    ELSE 'epoch'::timestamptz END
$$;

REVOKE EXECUTE ON FUNCTION agentledger.store_budget, agentledger.revise_budget, agentledger.remove_budget,
  agentledger.change_budgets, agentledger.require_known_budgets, agentledger.apply_budgets, agentledger.unpaid_budgets,
  agentledger.reserve_budgets, agentledger.note_thresholds, agentledger.release_budget_hold, agentledger.told_budget_alert,
  agentledger.budgets_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.store_budget, agentledger.revise_budget, agentledger.remove_budget,
  agentledger.change_budgets, agentledger.require_known_budgets, agentledger.apply_budgets, agentledger.unpaid_budgets,
  agentledger.reserve_budgets, agentledger.note_thresholds, agentledger.release_budget_hold, agentledger.told_budget_alert
  TO agentledger_writer;
GRANT EXECUTE ON FUNCTION agentledger.budgets_of TO agentledger_api, agentledger_worker;
