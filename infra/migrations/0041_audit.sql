-- What was asked of the platform, by whom, from where, and what came of it: what the log does not hold (refusals, reads)
-- and where accepted commands came from. Appended to, never changed: no role holds UPDATE, DELETE or TRUNCATE, and no
-- policy would let the owner change a row either. The nil tenant is the platform: the operator, and strangers.
CREATE TABLE agentledger.audit_entries (
  tenant_id  uuid        NOT NULL,
  entry_id   uuid        NOT NULL,   -- of version 7: its time is the entry's
  at         timestamptz NOT NULL,
  actor      text        NOT NULL CHECK (length(actor) <= 200),
  user_id    uuid,
  credential text        NOT NULL CHECK (length(credential) <= 200),
  action     text        NOT NULL CHECK (length(action) <= 200),
  target     text        CHECK (length(target) <= 300),
  outcome    text        NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
  code       text        CHECK (length(code) <= 200),
  request_id uuid        NOT NULL,
  position   text,                   -- of the stored events
  times      integer     NOT NULL CHECK (times > 0),
  source     bytea,                  -- address and user agent, sealed with the tenant's key
  PRIMARY KEY (tenant_id, entry_id)
);
SELECT agentledger.isolate('agentledger.audit_entries', 'api');
CREATE POLICY append_any ON agentledger.audit_entries FOR INSERT TO agentledger_writer WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.audit_entries FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.audit_entries TO agentledger_api;
GRANT INSERT ON agentledger.audit_entries TO agentledger_writer;
