-- When which trigger has to be looked at. Written with the events that say so. Workers share them: one at a time holds the
-- lease. refused_with: what refused the fire that is due, since it is.
CREATE TABLE agentledger.due_triggers (
  tenant_id    uuid        NOT NULL,
  trigger_id   uuid        NOT NULL,
  due_at       timestamptz NOT NULL,
  leased_until timestamptz NOT NULL DEFAULT '-infinity',
  refused_with text,
  PRIMARY KEY (tenant_id, trigger_id)
) WITH (fillfactor = 50);
CREATE INDEX due_triggers_by_time ON agentledger.due_triggers (due_at);
SELECT agentledger.isolate('agentledger.due_triggers', 'api');
-- A worker serves all tenants. It may move the lease and nothing else.
CREATE POLICY worker_leases ON agentledger.due_triggers FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY writer_keeps ON agentledger.due_triggers FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.due_triggers TO agentledger_worker, agentledger_writer;
GRANT SELECT (tenant_id, trigger_id, due_at) ON agentledger.due_triggers TO agentledger_api;
GRANT UPDATE (leased_until, refused_with) ON agentledger.due_triggers TO agentledger_worker;
GRANT INSERT, DELETE, UPDATE (due_at, leased_until, refused_with) ON agentledger.due_triggers TO agentledger_writer;

-- Triggers are counted as workflows are. A plan that says nothing of them allows as many as one worker is sure to keep up with.
ALTER TABLE agentledger.counted_parts DROP CONSTRAINT counted_parts_kind_check;
ALTER TABLE agentledger.counted_parts
  ADD CONSTRAINT counted_parts_kind_check CHECK (kind = ANY (ARRAY['agents', 'workflows', 'triggers']));

CREATE FUNCTION agentledger.quota_unless_said(quota text) RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT CASE quota WHEN 'triggers' THEN 1000 END $$;

CREATE OR REPLACE FUNCTION agentledger.quota_used(tenant uuid, quota text, at_most bigint) RETURNS bigint
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
    WHEN 'triggers' THEN
      (SELECT count(*) FROM agentledger.counted_parts AS p WHERE p.tenant_id = tenant AND p.kind = 'triggers')
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

CREATE OR REPLACE FUNCTION agentledger.require_quota(tenant uuid, quota text) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  plan    text;
  allowed bigint;
  used    bigint;
BEGIN
  SELECT p.name, coalesce((p.limits ->> quota)::bigint, agentledger.quota_unless_said(quota)) INTO plan, allowed
    FROM agentledger.plan_of(tenant) AS p;
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

CREATE TRIGGER held_triggers_to_quota AFTER INSERT ON agentledger.counted_parts FOR EACH ROW
  WHEN (NEW.kind = 'triggers') EXECUTE FUNCTION agentledger.hold_to_quota('triggers');

CREATE OR REPLACE FUNCTION agentledger.own_quotas()
  RETURNS TABLE (place bigint, name text, allowed bigint, used bigint, resets_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT q.place, q.name, coalesce((p.limits ->> q.name)::bigint, agentledger.quota_unless_said(q.name)),
         CASE WHEN q.name <> 'executions_per_month' OR p.limits ? q.name AND p.limits ->> q.name IS NOT NULL
              THEN agentledger.quota_used(agentledger.current_tenant(), q.name, 1000000) END,
         CASE WHEN q.name = 'executions_per_month'
              THEN (agentledger.month_of(now()) + interval '1 month') AT TIME ZONE 'UTC' END
    FROM unnest(ARRAY['users', 'api_keys', 'agents', 'workflows', 'triggers', 'secrets', 'concurrent_executions',
                      'executions_per_month', 'payload_bytes']) WITH ORDINALITY AS q(name, place)
    CROSS JOIN agentledger.plan_of(agentledger.current_tenant()) AS p
   WHERE agentledger.current_tenant() IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION agentledger.quota_unless_said FROM PUBLIC;
