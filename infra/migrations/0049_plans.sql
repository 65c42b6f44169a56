-- Plans: what their tenants may use. They belong to the platform, which is the nil tenant; every version of one stays as it
-- was. limits: by name, those that the plan says; what it does not say is as the settings of the installation have it.
CREATE TABLE agentledger.plan_versions (
  tenant_id        uuid    NOT NULL,
  plan_id          uuid    NOT NULL,
  plan_version     integer NOT NULL,
  name             text    NOT NULL,
  limits           jsonb   NOT NULL,
  is_for_resellers boolean NOT NULL,
  is_archived      boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, plan_id, plan_version)
);
SELECT agentledger.isolate('agentledger.plan_versions', 'api');
CREATE POLICY writer_keeps ON agentledger.plan_versions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.plan_versions TO agentledger_api;
GRANT SELECT (tenant_id, plan_id) ON agentledger.plan_versions TO agentledger_writer;
GRANT INSERT, UPDATE (is_archived) ON agentledger.plan_versions TO agentledger_writer;

-- The plan that tenants are on of whom nobody said another (domain/plans.py).
CREATE POLICY owner_keeps ON agentledger.plan_versions FOR INSERT TO agentledger_owner WITH CHECK (true);
INSERT INTO agentledger.plan_versions (tenant_id, plan_id, plan_version, name, limits, is_for_resellers)
  VALUES ('00000000-0000-0000-0000-000000000000', '00000000-0000-7000-8000-0000000000a1', 1, 'standard', '{}', true);
DROP POLICY owner_keeps ON agentledger.plan_versions;

-- plan_version: NULL is the newest. overrides: single limits that are this tenant's own; null in them is no limit.
CREATE TABLE agentledger.tenant_plans (
  tenant_id    uuid    NOT NULL,
  plan_id      uuid    NOT NULL,
  plan_version integer,
  overrides    jsonb   NOT NULL,
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.tenant_plans', 'api');
CREATE POLICY writer_keeps ON agentledger.tenant_plans FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.tenant_plans TO agentledger_api;
GRANT SELECT ON agentledger.tenant_plans TO agentledger_writer;
GRANT INSERT, UPDATE (plan_id, plan_version, overrides) ON agentledger.tenant_plans TO agentledger_writer;

-- What a tenant has of things of which no other table beside the log knows how many there are.
CREATE TABLE agentledger.counted_parts (
  tenant_id uuid NOT NULL,
  kind      text NOT NULL CHECK (kind = ANY (ARRAY['agents', 'workflows'])),
  part_id   uuid NOT NULL,
  PRIMARY KEY (tenant_id, kind, part_id)
);
SELECT agentledger.isolate('agentledger.counted_parts', 'api');
CREATE POLICY writer_keeps ON agentledger.counted_parts FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.counted_parts TO agentledger_api;
GRANT SELECT, INSERT, DELETE ON agentledger.counted_parts TO agentledger_writer;

CREATE POLICY owner_keeps ON agentledger.counted_parts FOR INSERT TO agentledger_owner WITH CHECK (true);
INSERT INTO agentledger.counted_parts (tenant_id, kind, part_id)
  SELECT e.tenant_id, CASE e.topic WHEN 'agent.created' THEN 'agents' ELSE 'workflows' END, e.originator_id
    FROM agentledger.events AS e
   WHERE e.topic IN ('agent.created', 'workflow.created')
     AND NOT EXISTS (SELECT FROM agentledger.events AS gone WHERE gone.originator_id = e.originator_id
                        AND gone.topic IN ('agent.deleted', 'workflow.deleted'))
     AND NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS d WHERE d.tenant_id = e.tenant_id);
DROP POLICY owner_keeps ON agentledger.counted_parts;

-- Executions begun in a month (of UTC) by tenants whose plan limits them. For others nobody counts, so that their appends
-- never wait for each other.
CREATE TABLE agentledger.monthly_executions (
  tenant_id uuid    NOT NULL,
  month     date    NOT NULL,
  count     bigint  NOT NULL,
  PRIMARY KEY (tenant_id, month)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.monthly_executions', 'api');
CREATE POLICY writer_keeps ON agentledger.monthly_executions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.monthly_executions TO agentledger_api;
GRANT SELECT, INSERT, UPDATE (count) ON agentledger.monthly_executions TO agentledger_writer;

CREATE FUNCTION agentledger.month_of(moment timestamptz) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE SET search_path = '' AS
$$ SELECT date_trunc('month', moment AT TIME ZONE 'UTC')::date $$;

-- The plan of one tenant, with its own overrides laid over the limits.
CREATE FUNCTION agentledger.plan_of(tenant uuid)
  RETURNS TABLE (plan_id uuid, plan_version integer, name text, limits jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT v.plan_id, v.plan_version, v.name, v.limits || coalesce(t.overrides, '{}')
    FROM (SELECT tenant AS tenant_id) AS wanted
    LEFT JOIN agentledger.tenant_plans AS t ON t.tenant_id = wanted.tenant_id
    CROSS JOIN LATERAL (
      SELECT * FROM agentledger.plan_versions AS v
       WHERE v.tenant_id = '00000000-0000-0000-0000-000000000000'
         AND v.plan_id = coalesce(t.plan_id, '00000000-0000-7000-8000-0000000000a1')
         AND (t.plan_version IS NULL OR v.plan_version = t.plan_version)
       ORDER BY v.plan_version DESC LIMIT 1) AS v
$$;

-- How much a tenant has of what is counted, as is shown and as is enforced. at_most: where counting executions stops.
CREATE FUNCTION agentledger.quota_used(tenant uuid, quota text, at_most bigint) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT CASE quota
    WHEN 'users' THEN
      (SELECT count(*) FROM agentledger.user_access AS a WHERE a.tenant_id = tenant AND a.status <> 'DEACTIVATED')
    WHEN 'api_keys' THEN
      (SELECT count(*) FROM agentledger.api_key_hashes AS k
        WHERE k.tenant_id = tenant AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
    WHEN 'agents' THEN
      (SELECT count(*) FROM agentledger.counted_parts AS p WHERE p.tenant_id = tenant AND p.kind = 'agents')
    WHEN 'workflows' THEN
      (SELECT count(*) FROM agentledger.counted_parts AS p WHERE p.tenant_id = tenant AND p.kind = 'workflows')
    WHEN 'secrets' THEN
      (SELECT count(*) FROM agentledger.vault_entries AS s WHERE s.tenant_id = tenant)
    WHEN 'concurrent_executions' THEN
      (SELECT count(*) FROM (SELECT FROM agentledger.open_executions AS o
                              WHERE o.tenant_id = tenant LIMIT at_most) AS o)
    WHEN 'executions_per_month' THEN
      (SELECT coalesce(sum(m.count), 0) FROM agentledger.monthly_executions AS m
        WHERE m.tenant_id = tenant AND m.month = agentledger.month_of(now()))
    WHEN 'payload_bytes' THEN
      (SELECT coalesce(sum(b.bytes), 0) FROM agentledger.blob_totals AS b WHERE b.tenant_id = tenant)
  END
$$;

-- Refuses what was just stored when it is one too many. Who comes at the same time waits here, and counts after the other
-- has committed. ALQ01 is a quota (infra/quota_refusals.py).
CREATE FUNCTION agentledger.require_quota(tenant uuid, quota text) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  plan    text;
  allowed bigint;
  used    bigint;
BEGIN
  SELECT p.name, (p.limits ->> quota)::bigint INTO plan, allowed FROM agentledger.plan_of(tenant) AS p;
  IF allowed IS NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('quota ' || quota || ' ' || tenant, 0));
  used := agentledger.quota_used(tenant, quota, allowed + 1);
  IF used > allowed THEN
    RAISE EXCEPTION '%', quota USING ERRCODE = 'ALQ01',
      DETAIL = json_build_object('limit', allowed, 'used', used - 1, 'plan', plan)::text;
  END IF;
END $$;

CREATE FUNCTION agentledger.hold_to_quota() RETURNS trigger LANGUAGE plpgsql VOLATILE SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.require_quota(NEW.tenant_id, TG_ARGV[0]);
  RETURN NULL;
END $$;

-- Where the rows are made, so that no way to them goes past it.
CREATE TRIGGER held_to_quota AFTER INSERT ON agentledger.user_access FOR EACH ROW
  WHEN (NEW.status <> 'DEACTIVATED') EXECUTE FUNCTION agentledger.hold_to_quota('users');
CREATE TRIGGER held_to_quota_again AFTER UPDATE OF status ON agentledger.user_access FOR EACH ROW
  WHEN (OLD.status = 'DEACTIVATED' AND NEW.status <> 'DEACTIVATED') EXECUTE FUNCTION agentledger.hold_to_quota('users');
CREATE TRIGGER held_to_quota AFTER INSERT ON agentledger.api_key_hashes FOR EACH ROW
  EXECUTE FUNCTION agentledger.hold_to_quota('api_keys');
CREATE TRIGGER held_to_quota AFTER INSERT ON agentledger.vault_entries FOR EACH ROW
  EXECUTE FUNCTION agentledger.hold_to_quota('secrets');
CREATE TRIGGER held_agents_to_quota AFTER INSERT ON agentledger.counted_parts FOR EACH ROW
  WHEN (NEW.kind = 'agents') EXECUTE FUNCTION agentledger.hold_to_quota('agents');
CREATE TRIGGER held_workflows_to_quota AFTER INSERT ON agentledger.counted_parts FOR EACH ROW
  WHEN (NEW.kind = 'workflows') EXECUTE FUNCTION agentledger.hold_to_quota('workflows');

-- One more execution, with the row of open_executions that it has already. Only for tenants whose plan says something of
-- executions.
CREATE FUNCTION agentledger.admit_execution(tenant uuid) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
BEGIN
  INSERT INTO monthly_executions AS m (tenant_id, month, count) VALUES (tenant, month_of(now()), 1)
    ON CONFLICT (tenant_id, month) DO UPDATE SET count = m.count + 1;
  PERFORM require_quota(tenant, 'executions_per_month');
  PERFORM require_quota(tenant, 'concurrent_executions');
END $$;

-- What is counted of the tenant that the statement is bound to. allowed: NULL is no limit. used: NULL where nobody counts.
CREATE FUNCTION agentledger.own_quotas()
  RETURNS TABLE (place bigint, name text, allowed bigint, used bigint, resets_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT q.place, q.name, (p.limits ->> q.name)::bigint,
         CASE WHEN q.name <> 'executions_per_month' OR p.limits ? q.name AND p.limits ->> q.name IS NOT NULL
              THEN agentledger.quota_used(agentledger.current_tenant(), q.name, 1000000) END,
         CASE WHEN q.name = 'executions_per_month'
              THEN (agentledger.month_of(now()) + interval '1 month') AT TIME ZONE 'UTC' END
    FROM unnest(ARRAY['users', 'api_keys', 'agents', 'workflows', 'secrets', 'concurrent_executions',
                      'executions_per_month', 'payload_bytes']) WITH ORDINALITY AS q(name, place)
    CROSS JOIN agentledger.plan_of(agentledger.current_tenant()) AS p
   WHERE agentledger.current_tenant() IS NOT NULL
$$;

REVOKE EXECUTE ON FUNCTION agentledger.plan_of, agentledger.quota_used, agentledger.require_quota,
  agentledger.own_quotas, agentledger.admit_execution, agentledger.hold_to_quota FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.plan_of TO agentledger_api, agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.own_quotas TO agentledger_api;
GRANT EXECUTE ON FUNCTION agentledger.require_quota, agentledger.admit_execution, agentledger.hold_to_quota
  TO agentledger_writer;
