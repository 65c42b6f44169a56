-- One stream is read by the key of the log, in its order. Where a table was not analyzed yet, the planner takes the index of
-- the tenant for as good, and collects all of its events.
ALTER FUNCTION agentledger.stream_events(uuid, uuid, bigint, integer)
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off;
ALTER FUNCTION agentledger.stream_from_snapshot(uuid, uuid, integer, integer)
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off;
ALTER FUNCTION agentledger.person_stream_events(uuid, uuid, uuid, bigint, integer)
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off;
