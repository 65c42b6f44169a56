-- Requests of http nodes are limited as calls of models are (0093), in a scope of their own in each tenant.

-- As domain/call_limits.py has it.
CREATE FUNCTION agentledger.type_scope(tenant uuid, node_type text) RETURNS uuid
  LANGUAGE sql IMMUTABLE SET search_path = '' AS
$$ SELECT left(encode(sha256(convert_to(tenant || ' ' || node_type, 'UTF8')), 'hex'), 32)::uuid $$;

-- What holds for all calls of the tenant that reads, as 0091 has it; and for its requests.
DROP FUNCTION agentledger.call_limits_now();
CREATE FUNCTION agentledger.call_limits_now()
  RETURNS TABLE (own jsonb, concurrent_calls bigint, tokens_per_min bigint, cost_usd_per_min numeric,
                 calls_under_way bigint, calls_waiting bigint, tokens_used bigint, cost_used_usd numeric,
                 concurrent_http_calls bigint, http_calls_under_way bigint, http_calls_waiting bigint)
  LANGUAGE plpgsql STABLE SET search_path = '' AS
$$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.own, l.calls, l.tokens, l.cost,
         (SELECT count(*) FROM agentledger.calls_under_way AS u
           WHERE u.tenant_id = l.tenant AND u.scope_id = l.tenant AND u.leased_until > l.now_s),
         (SELECT coalesce(sum(i.calls), 0) FROM agentledger.calls_in_line AS i
           WHERE i.tenant_id = l.tenant AND i.scope_id = l.tenant AND i.told_until > l.now_s),
         ceil(l.tokens * greatest(coalesce(a.tokens_until, 0) - l.now_s, 0) / 60)::bigint,
         trim_scale(round((l.cost * (greatest(coalesce(a.cost_until, 0) - l.now_s, 0) / 60)::numeric), 12)),
         l.http_calls,
         (SELECT count(*) FROM agentledger.calls_under_way AS u
           WHERE u.tenant_id = l.tenant AND u.scope_id = agentledger.type_scope(l.tenant, 'http') AND u.leased_until > l.now_s),
         (SELECT coalesce(sum(i.calls), 0) FROM agentledger.calls_in_line AS i
           WHERE i.tenant_id = l.tenant AND i.scope_id = agentledger.type_scope(l.tenant, 'http') AND i.told_until > l.now_s)
    FROM (
      SELECT t.tenant, t.now_s, coalesce(o.limits, '{}') AS own,
             least((p.limits ->> 'concurrent_calls')::bigint, (o.limits ->> 'concurrent_calls')::bigint) AS calls,
             least((p.limits ->> 'tokens_per_min')::bigint, (o.limits ->> 'tokens_per_min')::bigint) AS tokens,
             least((p.limits ->> 'cost_usd_per_min')::numeric, (o.limits ->> 'cost_usd_per_min')::numeric) AS cost,
             least((p.limits ->> 'concurrent_http_calls')::bigint, (o.limits ->> 'concurrent_http_calls')::bigint) AS http_calls
        FROM (SELECT agentledger.current_tenant() AS tenant, extract(epoch FROM clock_timestamp())::double precision AS now_s) AS t
        CROSS JOIN LATERAL agentledger.plan_of(t.tenant) AS p
        LEFT JOIN agentledger.own_call_limits AS o ON o.tenant_id = t.tenant) AS l
    LEFT JOIN agentledger.call_allowances AS a ON a.tenant_id = l.tenant AND a.scope_id = l.tenant;
END $$;

REVOKE EXECUTE ON FUNCTION agentledger.type_scope, agentledger.call_limits_now FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.type_scope, agentledger.call_limits_now TO agentledger_api;
