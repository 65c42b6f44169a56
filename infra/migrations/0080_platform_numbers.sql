-- What operators watch of the whole installation. It spans tenants, so it comes from a function with the owner's rights that
-- hands out nothing but numbers. Its work is bounded: it counts at most counted_max of anything.
CREATE FUNCTION agentledger.platform_numbers(counted_max bigint)
  RETURNS TABLE (name text, value double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS
$$
  WITH newest AS MATERIALIZED (
    SELECT era, tx_id, notification_id FROM agentledger.events
     ORDER BY era DESC, tx_id DESC, notification_id DESC LIMIT 1),
  -- The topic that is filled now; its hindmost range counts.
  relayed AS MATERIALIZED (
    SELECT p.era, p.tx_id::text::xid8 AS tx_id, p.notification_id
      FROM agentledger.relay_positions AS p
     WHERE p.topic = (SELECT l.topic FROM agentledger.relay_positions AS l ORDER BY l.published_at DESC LIMIT 1)
     ORDER BY p.era, p.tx_id, p.notification_id LIMIT 1),
  sealed AS MATERIALIZED (
    SELECT era, tx_id, notification_id FROM agentledger.log_seals ORDER BY number DESC LIMIT 1),
  reached AS (
    SELECT 'relay' AS reader, era, tx_id, notification_id FROM relayed
    UNION ALL SELECT 'seal', coalesce(s.era, 0::smallint), coalesce(s.tx_id, '0'::xid8), coalesce(s.notification_id, 0)
      FROM (SELECT) AS one LEFT JOIN sealed AS s ON true),
  behind AS (
    SELECT r.reader, b.events, coalesce(extract(epoch FROM clock_timestamp() - b.oldest_at), 0) AS seconds
      FROM reached AS r CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(later.recorded_at) AS oldest_at
          FROM (SELECT e.recorded_at FROM agentledger.events AS e
                 WHERE (e.era, e.tx_id, e.notification_id) > (r.era, r.tx_id, r.notification_id)
                 ORDER BY e.era, e.tx_id, e.notification_id LIMIT counted_max) AS later) AS b)
  SELECT b.reader || '_lag_events', b.events::double precision FROM behind AS b
  UNION ALL SELECT b.reader || '_lag_seconds', greatest(0, b.seconds) FROM behind AS b
  UNION ALL
  SELECT 'unreadable_seconds', coalesce(greatest(0, extract(epoch FROM clock_timestamp() - (
    SELECT e.recorded_at FROM agentledger.events AS e
     WHERE (e.era, e.tx_id, e.notification_id)
         >= (agentledger.current_era(), pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()), -1)
     ORDER BY e.era, e.tx_id, e.notification_id LIMIT 1))), 0)
  UNION ALL
  SELECT 'events', greatest(0, c.reltuples) FROM pg_catalog.pg_class AS c WHERE c.oid = 'agentledger.events'::regclass
  UNION ALL
  SELECT 'bytes', pg_catalog.pg_total_relation_size('agentledger.events'::regclass)
  UNION ALL
  SELECT 'execution', (SELECT count(*) FROM (SELECT FROM agentledger.open_executions LIMIT counted_max) AS o)
  UNION ALL
  SELECT 'sleeping_execution', (SELECT count(*) FROM (
    SELECT FROM agentledger.open_executions AS o WHERE o.wake_at IS NOT NULL LIMIT counted_max) AS o)
  UNION ALL
  SELECT 'bulk_operation', (SELECT count(*) FROM (SELECT FROM agentledger.open_bulk_operations LIMIT counted_max) AS o)
  UNION ALL
  SELECT 'mail', (SELECT count(*) FROM (
    SELECT FROM agentledger.mail_outbox AS m WHERE m.dead_at IS NULL LIMIT counted_max) AS m)
$$;
REVOKE EXECUTE ON FUNCTION agentledger.platform_numbers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.platform_numbers TO agentledger_api;

-- mail_outbox has no policy for its owner yet; the function counts.
CREATE POLICY owner_counts ON agentledger.mail_outbox FOR SELECT TO agentledger_owner USING (true);
