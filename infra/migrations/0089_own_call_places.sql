-- What makes calls for the tenant that it reads for, a search of the API, comes under its limits (0093) too: in no
-- tenant but the one that is set, whatever it asks for.
CREATE FUNCTION agentledger.take_own_call(call uuid, limits json, tokens bigint, cost bigint, lease_s double precision,
                                          at timestamptz)
  RETURNS TABLE (scope uuid, what text, wait_s double precision)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
BEGIN
  RETURN QUERY SELECT * FROM agentledger.take_call(agentledger.current_tenant(), $1, $2, $3, $4, $5, $6);
END $$;

CREATE FUNCTION agentledger.settle_own_call(call uuid, tokens bigint, cost bigint, at timestamptz) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
BEGIN
  PERFORM agentledger.settle_calls(json_build_array(json_build_object(
    'tenant', agentledger.current_tenant(), 'call', $1, 'tokens', $2, 'cost', $3)), $4);
END $$;

REVOKE EXECUTE ON FUNCTION agentledger.take_own_call, agentledger.settle_own_call FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.take_own_call, agentledger.settle_own_call TO agentledger_api;
