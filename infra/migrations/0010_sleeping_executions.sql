-- Most open executions may be asleep: a worker finds those that are ready, and those whose time has come, without
-- walking over the others. 'wake_at' in the year 9999 waits for nothing but what somebody sends.
DROP INDEX agentledger.open_executions_of_shard;
CREATE INDEX open_executions_ready ON agentledger.open_executions (shard, execution_id) WHERE wake_at IS NULL;
CREATE INDEX open_executions_due ON agentledger.open_executions (shard, wake_at) WHERE wake_at IS NOT NULL;
