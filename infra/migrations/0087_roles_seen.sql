-- Which roles run, and when each was last seen: every process says so every few seconds. Of no tenant; who asks is told
-- numbers, and nothing of a process.
CREATE TABLE agentledger.roles_seen (
  process_id uuid        NOT NULL,
  role       text        NOT NULL CHECK (role IN ('api', 'relay', 'worker', 'projector')),
  seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (process_id, role)
);
ALTER TABLE agentledger.roles_seen ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps ON agentledger.roles_seen FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);

-- What was not seen for a day is forgotten, but not a role's last sign.
CREATE FUNCTION agentledger.see_roles(process uuid, roles text[]) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  DELETE FROM agentledger.roles_seen AS r
   WHERE r.seen_at < clock_timestamp() - interval '1 day'
     AND r.seen_at < (SELECT max(o.seen_at) FROM agentledger.roles_seen AS o WHERE o.role = r.role);
  INSERT INTO agentledger.roles_seen (process_id, role) SELECT process, unnest(roles)
    ON CONFLICT (process_id, role) DO UPDATE SET seen_at = clock_timestamp();
$$;
REVOKE EXECUTE ON FUNCTION agentledger.see_roles FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.see_roles TO agentledger_tail;

CREATE FUNCTION agentledger.roles_seen(within interval)
  RETURNS TABLE (role text, processes bigint, seen_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT r.role, count(*) FILTER (WHERE r.seen_at > clock_timestamp() - within), max(r.seen_at)
    FROM agentledger.roles_seen AS r GROUP BY r.role
$$;
REVOKE EXECUTE ON FUNCTION agentledger.roles_seen FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.roles_seen TO agentledger_api;
