-- The newest runs that the current person sees, before one, by the indexes of who began them and of what they run: a list
-- for somebody who sees few of many does not look at all. Row security still decides. Replaced by projections/visibility.py.
CREATE FUNCTION agentledger.own_runs(before uuid, count_max integer) RETURNS SETOF uuid LANGUAGE sql STABLE
  SET search_path = '' AS
$$ SELECT NULL::uuid WHERE false $$;
REVOKE EXECUTE ON FUNCTION agentledger.own_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.own_runs TO agentledger_api;
