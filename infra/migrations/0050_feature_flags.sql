-- What the operator says of features, and whom it is said otherwise for. Flags belong to the platform, which is the nil
-- tenant. The nil user is the whole tenant.
CREATE TABLE agentledger.feature_flags (
  tenant_id      uuid    NOT NULL,
  name           text    NOT NULL,
  description    text    NOT NULL,
  is_enabled     boolean NOT NULL,
  percentage     integer,
  rollout_by     text    NOT NULL CHECK (rollout_by = ANY (ARRAY['tenant', 'user'])),
  is_for_tenants boolean NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
SELECT agentledger.isolate('agentledger.feature_flags', 'api');
CREATE POLICY writer_keeps ON agentledger.feature_flags FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.feature_flags TO agentledger_api;
GRANT SELECT, INSERT, DELETE, UPDATE (description, is_enabled, percentage, rollout_by, is_for_tenants)
  ON agentledger.feature_flags TO agentledger_writer;

CREATE TABLE agentledger.feature_overrides (
  tenant_id      uuid    NOT NULL,
  name           text    NOT NULL,
  user_id        uuid    NOT NULL,
  is_by_operator boolean NOT NULL,
  is_enabled     boolean NOT NULL,
  PRIMARY KEY (tenant_id, name, user_id, is_by_operator)
);
SELECT agentledger.isolate('agentledger.feature_overrides', 'api');
CREATE POLICY writer_keeps ON agentledger.feature_overrides FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.feature_overrides TO agentledger_api;
GRANT SELECT, INSERT, DELETE, UPDATE (is_enabled) ON agentledger.feature_overrides TO agentledger_writer;

-- All that decides for one tenant.
CREATE FUNCTION agentledger.features_of(tenant uuid) RETURNS TABLE (flags jsonb, overrides jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'tenant_id'), '[]') FROM agentledger.feature_flags AS f
           WHERE f.tenant_id = '00000000-0000-0000-0000-000000000000'),
         (SELECT coalesce(jsonb_agg(to_jsonb(o) - 'tenant_id'), '[]') FROM agentledger.feature_overrides AS o
           WHERE o.tenant_id = tenant)
$$;
REVOKE EXECUTE ON FUNCTION agentledger.features_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.features_of TO agentledger_api, agentledger_worker;
