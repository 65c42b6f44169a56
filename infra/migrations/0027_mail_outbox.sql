-- Mails that wait to be sent, written with the events that are the reason for them. What they say, and to whom, is sealed.
-- Workers share them: whoever claims one moves due_at to the end of its lease. A mail that was sent has no row any more;
-- one that was given up has dead_at, and no content.
CREATE TABLE agentledger.mail_outbox (
  tenant_id  uuid        NOT NULL,
  mail_id    uuid        NOT NULL,
  sealed     bytea       NOT NULL,
  expires_at timestamptz NOT NULL,
  attempts   integer     NOT NULL DEFAULT 0,
  due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  dead_at    timestamptz,
  PRIMARY KEY (tenant_id, mail_id)
) WITH (fillfactor = 70);
CREATE INDEX mail_outbox_due ON agentledger.mail_outbox (due_at) WHERE dead_at IS NULL;
SELECT agentledger.isolate('agentledger.mail_outbox', 'api');
-- A worker serves all tenants.
CREATE POLICY worker_sends ON agentledger.mail_outbox FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY writer_queues ON agentledger.mail_outbox FOR INSERT TO agentledger_writer WITH CHECK (true);
GRANT SELECT, DELETE, UPDATE (sealed, attempts, due_at, dead_at) ON agentledger.mail_outbox TO agentledger_worker;
GRANT INSERT ON agentledger.mail_outbox TO agentledger_writer;
