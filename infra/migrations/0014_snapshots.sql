-- The newest snapshot of a long stream (infra/snapshots.py). No fact: whoever deletes one only makes the next load slower.
CREATE TABLE agentledger.snapshots (
  tenant_id          uuid     NOT NULL,
  originator_id      uuid     NOT NULL,
  originator_version bigint   NOT NULL,
  schema_version     integer  NOT NULL,
  state              bytea    NOT NULL,
  PRIMARY KEY (originator_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.snapshots', 'api', 'worker');
CREATE POLICY owner_reads ON agentledger.snapshots FOR SELECT TO agentledger_owner USING (true);
-- By who appended: it has the state at hand, and holds up nobody.
GRANT SELECT, INSERT, UPDATE, DELETE ON agentledger.snapshots TO agentledger_api, agentledger_worker;

-- As stream_events from the beginning, with a snapshot in place of the events that it stands for: the first row then has
-- the topic 'snapshot'. One round trip, and for the many streams without a snapshot one look into an index.
CREATE FUNCTION agentledger.stream_from_snapshot(tenant uuid, stream uuid, schema_wanted integer, page_size integer)
  RETURNS SETOF agentledger.events LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
DECLARE
  found_one snapshots;
  shown events;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true);
  SELECT * INTO found_one FROM snapshots AS s
   WHERE s.originator_id = stream AND s.tenant_id = tenant AND s.schema_version = schema_wanted;
  IF FOUND THEN
    shown.originator_id := stream;
    shown.originator_version := found_one.originator_version;
    shown.topic := 'snapshot';
    shown.state := found_one.state;
    shown.tenant_id := tenant;
    RETURN NEXT shown;
  END IF;
  RETURN QUERY SELECT * FROM events AS e
    WHERE e.originator_id = stream AND e.tenant_id = tenant
      AND e.originator_version > coalesce(found_one.originator_version, 0)
    ORDER BY e.originator_version LIMIT page_size;
END $$;
