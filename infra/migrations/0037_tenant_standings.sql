-- What must be known of a tenant beside its events: whether it may act, whose customer it is, and how many customers it may
-- have itself. One row for each tenant, written with its events. A tenant that is not active begins no step of a run and
-- no page of a bulk operation.
CREATE TABLE agentledger.tenant_standings (
  tenant_id     uuid    NOT NULL,
  standing      text    NOT NULL DEFAULT 'active',
  reseller_id   uuid,
  customers_max integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 80);
CREATE INDEX tenant_standings_held ON agentledger.tenant_standings (tenant_id) WHERE standing <> 'active';
CREATE INDEX tenant_standings_of_reseller ON agentledger.tenant_standings (reseller_id, tenant_id)
  WHERE reseller_id IS NOT NULL;
SELECT agentledger.isolate('agentledger.tenant_standings', 'api');
-- A worker serves all tenants, and must know which of them stand still.
CREATE POLICY worker_reads ON agentledger.tenant_standings FOR SELECT TO agentledger_worker, agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.tenant_standings FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.tenant_standings TO agentledger_api, agentledger_worker, agentledger_writer;
GRANT INSERT, UPDATE (standing, customers_max) ON agentledger.tenant_standings TO agentledger_writer;

CREATE POLICY owner_keeps ON agentledger.tenant_standings FOR INSERT TO agentledger_owner WITH CHECK (true);
INSERT INTO agentledger.tenant_standings (tenant_id)
  SELECT DISTINCT e.tenant_id FROM agentledger.events AS e WHERE e.topic = 'tenant.created';
DROP POLICY owner_keeps ON agentledger.tenant_standings;

-- With the reseller's row locked its customers are counted, so that two of them at a time cannot both be the last one.
-- ALQ01 is a quota (infra/group_commit.py): MESSAGE names it, DETAIL says how much it is.
CREATE FUNCTION agentledger.register_tenant(tenant uuid, reseller uuid) RETURNS void LANGUAGE plpgsql VOLATILE
  SET search_path = agentledger, pg_catalog AS
$$
DECLARE
  allowed integer;
BEGIN
  IF reseller IS NOT NULL THEN
    SELECT s.customers_max INTO allowed FROM tenant_standings AS s WHERE s.tenant_id = reseller FOR UPDATE;
    IF coalesce(allowed, 0) <= (SELECT count(*) FROM tenant_standings AS s WHERE s.reseller_id = reseller) THEN
      RAISE EXCEPTION 'customers' USING ERRCODE = 'ALQ01', DETAIL = coalesce(allowed, 0)::text;
    END IF;
  END IF;
  INSERT INTO tenant_standings (tenant_id, reseller_id) VALUES (tenant, reseller);
END $$;

-- The tenants that somebody manages, oldest first: the customers of a reseller, or all for the operator (NULL). It hands out
-- ids; what stands behind one is read as that tenant.
CREATE FUNCTION agentledger.managed_tenants(reseller uuid, after_tenant uuid, page_size integer)
  RETURNS TABLE (tenant_id uuid, standing text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT s.tenant_id, s.standing FROM agentledger.tenant_standings AS s
    WHERE (reseller IS NULL OR s.reseller_id = reseller) AND s.tenant_id > after_tenant
    ORDER BY s.tenant_id LIMIT page_size $$;
REVOKE EXECUTE ON FUNCTION agentledger.managed_tenants FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.managed_tenants TO agentledger_api;
