-- What each person may do now, for who authenticates: by session or by API key, of which both act for a person. Written
-- with the events that change it. Addresses are found by a keyed hash and lie nowhere here. No email_hash: somebody who
-- was there before this table.
CREATE TABLE agentledger.user_access (
  tenant_id  uuid  NOT NULL,
  user_id    uuid  NOT NULL,
  email_hash bytea,
  role       text  NOT NULL, -- ADMIN, USER, VIEWER, RESELLER, or the id of a role of the tenant's own making
  status     text  NOT NULL,
  PRIMARY KEY (tenant_id, user_id),
  UNIQUE (tenant_id, email_hash)
) WITH (fillfactor = 80);
CREATE INDEX user_access_by_role ON agentledger.user_access (tenant_id, role);
SELECT agentledger.isolate('agentledger.user_access', 'api');
CREATE POLICY writer_keeps ON agentledger.user_access FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_looks_up ON agentledger.user_access FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.user_access TO agentledger_api;
GRANT INSERT, UPDATE (email_hash, role, status) ON agentledger.user_access TO agentledger_writer;
GRANT SELECT ON agentledger.user_access TO agentledger_writer;

-- The roles of a tenant's own making. Without its row a role lets nobody do anything.
CREATE TABLE agentledger.role_permissions (
  tenant_id   uuid   NOT NULL,
  role_id     uuid   NOT NULL,
  permissions text[] NOT NULL,
  PRIMARY KEY (tenant_id, role_id)
) WITH (fillfactor = 80);
SELECT agentledger.isolate('agentledger.role_permissions', 'api');
CREATE POLICY writer_keeps ON agentledger.role_permissions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_looks_up ON agentledger.role_permissions FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.role_permissions TO agentledger_api;
GRANT INSERT, UPDATE (permissions), DELETE ON agentledger.role_permissions TO agentledger_writer;
GRANT SELECT ON agentledger.role_permissions TO agentledger_writer;

-- Whoever was there before was made with a tenant, as its first administrator.
CREATE POLICY moved ON agentledger.passwords FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY moved ON agentledger.user_access FOR INSERT TO agentledger_owner WITH CHECK (true);
INSERT INTO agentledger.user_access (tenant_id, user_id, role, status)
  SELECT p.tenant_id, p.user_id, 'ADMIN', 'ACTIVE' FROM agentledger.passwords AS p;
DROP POLICY moved ON agentledger.passwords;
DROP POLICY moved ON agentledger.user_access;

-- What one person may do: asked before the tenant of a statement is set, so by a function that answers for one person
-- only. permissions: of a role of the tenant's own making, NULL for the roles that every tenant has.
CREATE FUNCTION agentledger.access_of(wanted_tenant uuid, wanted_user uuid)
  RETURNS TABLE (role text, status text, permissions text[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT a.role, a.status, r.permissions
     FROM agentledger.user_access AS a
     LEFT JOIN agentledger.role_permissions AS r ON r.tenant_id = a.tenant_id
       AND r.role_id = CASE WHEN length(a.role) = 36 THEN a.role::uuid END
    WHERE a.tenant_id = wanted_tenant AND a.user_id = wanted_user $$;
REVOKE EXECUTE ON FUNCTION agentledger.access_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.access_of TO agentledger_api;
