-- What operators watch of triggers: how many wait for their time, and how long the one has waited that a worker could have
-- looked at first. It spans tenants, so it comes from a function with the owner's rights that hands out nothing but numbers.
-- Its work is bounded: it looks at most at counted_max of them. Who may not begin runs is late for no fault of a worker.
CREATE FUNCTION agentledger.trigger_numbers(counted_max bigint)
  RETURNS TABLE (name text, value double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT 'trigger', (SELECT count(*) FROM (SELECT FROM agentledger.due_triggers LIMIT counted_max) AS d)::double precision
  UNION ALL
  SELECT 'trigger_lag_seconds', coalesce(greatest(0, extract(epoch FROM clock_timestamp() - (
    SELECT min(greatest(d.due_at, d.leased_until))
      FROM (SELECT o.tenant_id, o.due_at, o.leased_until FROM agentledger.due_triggers AS o
             WHERE o.due_at <= clock_timestamp() ORDER BY o.due_at LIMIT counted_max) AS d
     WHERE NOT EXISTS (SELECT FROM agentledger.tenant_standings AS s
                        WHERE s.tenant_id = d.tenant_id AND s.standing <> 'active')))), 0)
$$;
REVOKE EXECUTE ON FUNCTION agentledger.trigger_numbers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.trigger_numbers TO agentledger_api;

CREATE POLICY owner_counts ON agentledger.due_triggers FOR SELECT TO agentledger_owner USING (true);
