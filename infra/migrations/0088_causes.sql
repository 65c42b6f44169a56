-- Which event a consumer's work follows from. A row of work lies in the transaction of the event that it is there for, so that
-- it says which transaction, and costs no more to write. What was there before names one without events.
ALTER TABLE agentledger.open_offboardings
  ADD COLUMN era smallint NOT NULL DEFAULT agentledger.current_era(), ADD COLUMN tx_id xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE agentledger.open_bulk_operations
  ADD COLUMN era smallint NOT NULL DEFAULT agentledger.current_era(), ADD COLUMN tx_id xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE agentledger.budget_alerts
  ADD COLUMN era smallint NOT NULL DEFAULT agentledger.current_era(), ADD COLUMN tx_id xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE agentledger.destroyed_keys
  ADD COLUMN era smallint NOT NULL DEFAULT agentledger.current_era(), ADD COLUMN tx_id xid8 NOT NULL DEFAULT pg_current_xact_id();

-- The id of the last event of a tenant in a transaction; of one stream, and of some topics, where they are given.
CREATE FUNCTION agentledger.event_stored_with(tenant uuid, row_era smallint, row_tx xid8, stream uuid, topics text[])
  RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT e.event_id FROM agentledger.events AS e
   WHERE e.tenant_id = tenant AND e.era = row_era AND e.tx_id = row_tx
     AND (stream IS NULL OR e.originator_id = stream) AND (topics IS NULL OR e.topic = ANY (topics))
   ORDER BY e.notification_id DESC LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION agentledger.event_stored_with FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.event_stored_with TO agentledger_worker;

-- As before, and the event that destroyed the key.
DROP FUNCTION agentledger.claim_subject_erasure(double precision);
CREATE FUNCTION agentledger.claim_subject_erasure(lease_s double precision)
  RETURNS TABLE (tenant_id uuid, subject_id uuid, cause_id uuid) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  UPDATE agentledger.destroyed_keys AS d SET sweep_at = clock_timestamp() + make_interval(secs => lease_s)
   WHERE (d.tenant_id, d.subject_id) = (
     SELECT o.tenant_id, o.subject_id FROM agentledger.destroyed_keys AS o
      WHERE o.sweep_at <= clock_timestamp() AND o.subject_id <> '00000000-0000-0000-0000-000000000000'
        AND NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS t WHERE t.tenant_id = o.tenant_id
                           AND t.subject_id = '00000000-0000-0000-0000-000000000000')
      ORDER BY o.sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING d.tenant_id, d.subject_id, agentledger.event_stored_with(d.tenant_id, d.era, d.tx_id, NULL, NULL)
$$;
REVOKE EXECUTE ON FUNCTION agentledger.claim_subject_erasure FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.claim_subject_erasure TO agentledger_worker;

-- Finding an event by its id: ids grow with time, as the log does, so that a summary of 32 pages each is enough.
CREATE INDEX events_by_id ON agentledger.events USING brin (event_id) WITH (pages_per_range = 32, autosummarize = on);
-- Finding what followed from it in other streams (read_api/event_causes.py). Steps of runs, which are most of the log, follow
-- from what is in their own stream: they are left out, and an append of them writes nothing for it.
CREATE INDEX events_by_cause ON agentledger.events (causation_id) WHERE causation_id IS NOT NULL
  AND topic <> ALL (ARRAY['execution.started', 'execution.node_started', 'execution.node_completed', 'execution.completed']);
