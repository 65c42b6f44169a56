-- The recorded answer of every command that carried an idempotency key; written with its events, of which a command
-- that changed nothing has none. era and tx_id find the events: they were stored by the same transaction.
CREATE TABLE agentledger.commands (
  tenant_id   uuid        NOT NULL,
  command_id  uuid        NOT NULL,
  fingerprint bytea       NOT NULL,
  result      bytea       NOT NULL,
  events_count integer    NOT NULL CHECK (events_count >= 0),
  era         smallint    NOT NULL DEFAULT agentledger.current_era(),
  tx_id       xid8        NOT NULL DEFAULT pg_current_xact_id(),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, command_id)
);
SELECT agentledger.isolate('agentledger.commands', 'api', 'worker');
CREATE POLICY append_any ON agentledger.commands FOR INSERT TO agentledger_writer WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.commands FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.commands TO agentledger_api, agentledger_worker;
GRANT INSERT ON agentledger.commands TO agentledger_writer;
CREATE INDEX commands_by_age ON agentledger.commands (recorded_at);
