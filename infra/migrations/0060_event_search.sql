-- Finding events by when they were recorded: up to each seal, the latest time so far, which only grows. An event that comes
-- later was recorded at most a statement's time before it.
ALTER TABLE agentledger.log_seals ADD COLUMN recorded_until timestamptz;
CREATE INDEX log_seals_by_time ON agentledger.log_seals (recorded_until, number);

-- Finding what belongs together. Ids are looked for in summaries of 32 pages each, so that an append writes nothing for it.
CREATE INDEX events_correlated ON agentledger.events USING brin (correlation_id uuid_bloom_ops)
  WITH (pages_per_range = 32, autosummarize = on);
