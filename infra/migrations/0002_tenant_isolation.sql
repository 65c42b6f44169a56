-- Every tenant table gets its policies from isolate(): readers and writers named there see one tenant at a time,
-- the one set inside their statement or transaction; without it they see nothing.
-- Every name in it is qualified, so that it needs no search_path of its own, which would keep it from being inlined.
CREATE FUNCTION agentledger.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::pg_catalog.uuid $$;

-- Enables and forces row security on a table with a tenant_id column. `bound` are the roles that see one tenant at
-- a time; a second, restrictive policy is the floor that no later permissive policy can widen for them.
CREATE FUNCTION agentledger.isolate(tenant_table regclass, VARIADIC bound text[]) RETURNS void LANGUAGE plpgsql
  SET search_path = '' AS
$$
DECLARE
  roles text := (SELECT string_agg(pg_catalog.quote_ident('agentledger_' || role_name), ', ') FROM unnest(bound) AS role_name);
  rule text := 'tenant_id = (SELECT agentledger.current_tenant())';
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('CREATE POLICY tenant_only ON %s FOR ALL TO %s USING (%s) WITH CHECK (%s)',
                 tenant_table, roles, rule, rule);
  EXECUTE format('CREATE POLICY tenant_floor ON %s AS RESTRICTIVE FOR ALL TO %s USING (%s) WITH CHECK (%s)',
                 tenant_table, roles, rule, rule);
END $$;
REVOKE EXECUTE ON FUNCTION agentledger.isolate FROM PUBLIC;

-- One tenant-bound query in one round trip: the setting ends with the statement. The caller's own rights apply.
CREATE FUNCTION agentledger.tenant_json(tenant uuid, query text, params jsonb) RETURNS text LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
DECLARE answer text;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true);
  EXECUTE query INTO answer USING params;
  RETURN answer;
END $$;
