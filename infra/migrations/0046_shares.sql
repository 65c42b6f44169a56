-- With whom workflows and agents are shared, as it is now: written with the events that say so, and asked at every look, so
-- that what ends, ends at once. grantee: user:<id>, or role:<role> as user_access has it. access: view is it and its runs,
-- execute is it, to run it.
CREATE TABLE agentledger.shares (
  tenant_id uuid NOT NULL,
  shared_id uuid NOT NULL,
  grantee   text NOT NULL,
  access    text NOT NULL CHECK (access IN ('view', 'execute')),
  PRIMARY KEY (tenant_id, shared_id, grantee, access)
);
CREATE INDEX shares_of_grantee ON agentledger.shares (tenant_id, grantee, shared_id);
SELECT agentledger.isolate('agentledger.shares', 'api');
CREATE POLICY writer_keeps ON agentledger.shares FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON agentledger.shares TO agentledger_writer;

-- Under which names things are shared with somebody; NULL for who is not active, whom nothing is shared with.
CREATE FUNCTION agentledger.grantees_of(tenant uuid, person uuid) RETURNS text[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT ARRAY['user:' || a.user_id, 'role:' || a.role] FROM agentledger.user_access AS a
   WHERE a.tenant_id = tenant AND a.user_id = person AND a.status = 'ACTIVE'
$$;

-- What is shared with the current person, for whatever, and that of which they see the runs.
CREATE FUNCTION agentledger.shared_with_person() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT s.shared_id FROM agentledger.shares AS s
   WHERE s.tenant_id = agentledger.current_tenant()
     AND s.grantee = ANY (agentledger.grantees_of(agentledger.current_tenant(), agentledger.current_person()))
$$;
CREATE FUNCTION agentledger.viewed_by_person() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT s.shared_id FROM agentledger.shares AS s
   WHERE s.tenant_id = agentledger.current_tenant() AND s.access = 'view'
     AND s.grantee = ANY (agentledger.grantees_of(agentledger.current_tenant(), agentledger.current_person()))
$$;
CREATE FUNCTION agentledger.is_viewed_by_person(wanted uuid) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT EXISTS (
    SELECT FROM agentledger.shares AS s
     WHERE s.tenant_id = agentledger.current_tenant() AND s.shared_id = wanted AND s.access = 'view'
       AND s.grantee = ANY (agentledger.grantees_of(agentledger.current_tenant(), agentledger.current_person())))
$$;

-- Who acts under a name: themselves, or by their key. NULL for what acts for nobody.
CREATE FUNCTION agentledger.key_of(actor text) RETURNS uuid LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT CASE WHEN actor ~ '^api_key:[0-9a-f-]{36}$' THEN substr(actor, 9)::uuid END $$;
CREATE FUNCTION agentledger.person_of(tenant uuid, actor text) RETURNS uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT CASE
    WHEN actor ~ '^user:[0-9a-f-]{36}$' THEN substr(actor, 6)::uuid
    ELSE (SELECT k.user_id FROM agentledger.api_key_hashes AS k
           WHERE k.tenant_id = tenant AND k.api_key_id = agentledger.key_of(actor))
  END
$$;

-- On whose behalf something runs: the actor who began the run, and who began the workflow that it runs.
CREATE FUNCTION agentledger.principals(tenant uuid, runner text, author_of uuid) RETURNS TABLE (actor text, person uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT n.actor, agentledger.person_of(tenant, n.actor)
    FROM (SELECT runner AS actor UNION
          SELECT e.actor FROM agentledger.events AS e
           WHERE e.originator_id = author_of AND e.originator_version = 1 AND e.tenant_id = tenant) AS n
$$;

-- Those of the streams that one of them may run because they began it, or because it is shared with them.
CREATE FUNCTION agentledger.runnable_by(tenant uuid, runner text, author_of uuid, streams uuid[]) RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  WITH who AS MATERIALIZED (SELECT p.actor, p.person FROM agentledger.principals(tenant, runner, author_of) AS p)
  SELECT wanted.id FROM unnest(streams) AS wanted (id)
   WHERE EXISTS (
           SELECT FROM agentledger.events AS e JOIN who
              ON who.actor = e.actor OR who.person = agentledger.person_of(tenant, e.actor)
            WHERE e.originator_id = wanted.id AND e.originator_version = 1 AND e.tenant_id = tenant)
      OR EXISTS (
           SELECT FROM agentledger.shares AS s JOIN who
              ON s.grantee = ANY (agentledger.grantees_of(tenant, who.person))
            WHERE s.tenant_id = tenant AND s.shared_id = wanted.id AND s.access = 'execute')
$$;

-- What they may do now. A key of nobody in particular may do what it names.
CREATE FUNCTION agentledger.access_of_principals(tenant uuid, runner text, author_of uuid)
  RETURNS TABLE (role text, status text, permissions text[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT a.role, a.status, a.permissions
    FROM agentledger.principals(tenant, runner, author_of) AS who
    CROSS JOIN LATERAL agentledger.access_of(tenant, who.person) AS a
  UNION ALL
  SELECT 'api_key', 'ACTIVE', k.scopes
    FROM agentledger.principals(tenant, runner, author_of) AS who
    JOIN agentledger.api_key_hashes AS k ON k.tenant_id = tenant AND k.api_key_id = agentledger.key_of(who.actor)
   WHERE k.user_id IS NULL AND k.revoked_at IS NULL
$$;

-- Of which workflows and agents the current person sees the runs whoever began them, and which runs of others they see
-- because a workflow is public: those of whom it is. Replaced by projections/visibility.py, which knows the tables.
CREATE FUNCTION agentledger.run_sources() RETURNS SETOF uuid LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT NULL::uuid WHERE false $$;
CREATE FUNCTION agentledger.public_runs() RETURNS TABLE (workflow_id uuid, actor text) LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT NULL::uuid, NULL::text WHERE false $$;

REVOKE EXECUTE ON FUNCTION agentledger.run_sources, agentledger.public_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.run_sources, agentledger.public_runs TO agentledger_api;
REVOKE EXECUTE ON FUNCTION agentledger.sees_execution, agentledger.sees_workflow, agentledger.sees_agent,
  agentledger.sees_stream FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.sees_execution, agentledger.sees_workflow, agentledger.sees_agent,
  agentledger.sees_stream TO agentledger_api;
REVOKE EXECUTE ON FUNCTION agentledger.grantees_of, agentledger.shared_with_person, agentledger.viewed_by_person,
  agentledger.is_viewed_by_person, agentledger.key_of, agentledger.person_of, agentledger.principals,
  agentledger.runnable_by, agentledger.access_of_principals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.shared_with_person TO agentledger_api;
GRANT EXECUTE ON FUNCTION agentledger.runnable_by, agentledger.access_of_principals TO agentledger_api, agentledger_worker;
