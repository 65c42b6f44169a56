-- Within their tenant, most people see what is theirs: what they began themselves or with their API keys, and what is
-- shared with them. Whoever reads for such a person sets app.user_id beside app.tenant_id; unset is the whole tenant.
CREATE FUNCTION agentledger.current_person() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(pg_catalog.current_setting('app.user_id', true), '')::pg_catalog.uuid $$;

-- The names under which that person acts: a key never changes hands.
CREATE INDEX api_key_hashes_of_person ON agentledger.api_key_hashes (tenant_id, user_id);
CREATE FUNCTION agentledger.own_actors() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT array_agg(own.actor) FROM (
    SELECT 'user:' || agentledger.current_person() AS actor
    UNION ALL
    SELECT 'api_key:' || k.api_key_id FROM agentledger.api_key_hashes AS k
     WHERE k.tenant_id = agentledger.current_tenant() AND k.user_id = agentledger.current_person()) AS own
$$;
REVOKE EXECUTE ON FUNCTION agentledger.own_actors FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.own_actors TO agentledger_api;

-- Whether that person began the stream: known as soon as it is stored, which a read model is not.
CREATE FUNCTION agentledger.begun_by_person(stream uuid) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT EXISTS (
    SELECT FROM agentledger.events AS e
     WHERE e.originator_id = stream AND e.originator_version = 1 AND e.tenant_id = agentledger.current_tenant()
       AND e.actor = ANY (agentledger.own_actors()))
$$;
REVOKE EXECUTE ON FUNCTION agentledger.begun_by_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.begun_by_person TO agentledger_api;

-- Whether that person sees a row of a read model. Replaced by projections/schema.py, which knows the tables' versions.
CREATE FUNCTION agentledger.sees_execution(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT false $$;
CREATE FUNCTION agentledger.sees_workflow(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT false $$;
CREATE FUNCTION agentledger.sees_agent(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT false $$;
CREATE FUNCTION agentledger.sees_stream(stream uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS
$$
  SELECT agentledger.begun_by_person(stream) OR agentledger.sees_execution(stream)
      OR agentledger.sees_workflow(stream) OR agentledger.sees_agent(stream)
$$;

-- As tenant_json, for one person.
CREATE FUNCTION agentledger.person_json(tenant uuid, person uuid, query text, params jsonb) RETURNS text
  LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
DECLARE answer text;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.user_id', person::text, true);
  EXECUTE query INTO answer USING params;
  RETURN answer;
END $$;

-- The log is read for a person by this function only, and asked once for each page whether they see the stream.
CREATE POLICY own_only ON agentledger.events AS RESTRICTIVE FOR SELECT TO agentledger_api
  USING ((SELECT agentledger.current_person()) IS NULL);
CREATE FUNCTION agentledger.person_stream_events(tenant uuid, person uuid, stream uuid, after_version bigint,
                                                 page_size integer)
  RETURNS SETOF agentledger.events LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.user_id', person::text, true);
  IF NOT sees_stream(stream) THEN
    RETURN;
  END IF;
  PERFORM set_config('app.user_id', '', true);
  RETURN QUERY SELECT * FROM events AS e
    WHERE e.originator_id = stream AND e.originator_version > after_version AND e.tenant_id = tenant
    ORDER BY e.originator_version LIMIT page_size;
END $$;

-- A payload belongs to whoever sees a stream that has it.
CREATE POLICY own_only ON agentledger.blobs AS RESTRICTIVE FOR SELECT TO agentledger_api
  USING ((SELECT agentledger.current_person()) IS NULL
         OR EXISTS (SELECT FROM agentledger.blob_uses AS u
                     WHERE u.tenant_id = blobs.tenant_id AND u.sha256 = blobs.sha256
                       AND agentledger.sees_stream(u.stream_id)));
