-- When something of a tenant's billing is due next: the end of a period or of a grace, the day by which an invoice is to be
-- paid. subject_id: the billing account, or the invoice. Workers share them: one at a time holds the lease.
CREATE TABLE agentledger.billing_timers (
  tenant_id    uuid        NOT NULL,
  subject_id   uuid        NOT NULL,
  due_at       timestamptz NOT NULL,
  leased_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, subject_id)
) WITH (fillfactor = 50);
CREATE INDEX billing_timers_due ON agentledger.billing_timers (due_at);
SELECT agentledger.isolate('agentledger.billing_timers', 'api');
-- A worker serves all tenants. It may move the lease and nothing else.
CREATE POLICY worker_leases ON agentledger.billing_timers FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.billing_timers FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.billing_timers FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.billing_timers TO agentledger_api, agentledger_worker;
GRANT UPDATE (leased_until) ON agentledger.billing_timers TO agentledger_worker;
GRANT SELECT, INSERT, UPDATE (due_at, leased_until), DELETE ON agentledger.billing_timers TO agentledger_writer;

-- What was issued, number by number. It belongs to who issued it (the nil tenant is the operator), sealed with their key:
-- an invoice is a record that they have to keep, also of a customer who is erased.
CREATE TABLE agentledger.issued_documents (
  tenant_id      uuid        NOT NULL,
  series         text        NOT NULL CHECK (series = ANY (ARRAY['invoice', 'credit_note'])),
  number         bigint      NOT NULL CHECK (number >= 1),
  customer_id    uuid        NOT NULL,
  invoice_id     uuid        NOT NULL,
  content_sha256 bytea       NOT NULL CHECK (length(content_sha256) = 32),
  sealed         bytea       NOT NULL,
  issued_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, series, number)
);
CREATE INDEX issued_documents_by_invoice ON agentledger.issued_documents (tenant_id, invoice_id);
SELECT agentledger.isolate('agentledger.issued_documents', 'api');
CREATE POLICY owner_reads ON agentledger.issued_documents FOR SELECT TO agentledger_owner USING (true);
CREATE POLICY writer_keeps ON agentledger.issued_documents FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.issued_documents TO agentledger_api;
GRANT SELECT (tenant_id, series, number), INSERT ON agentledger.issued_documents TO agentledger_writer;

-- The numbers of a series have no gap: each comes after one that is committed, in the transaction that finalises its document.
-- Of two who take the same number the second one fails, and takes the next.
CREATE FUNCTION agentledger.require_previous_number() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
$$
BEGIN
  IF NEW.number > 1 AND NOT EXISTS (
    SELECT FROM agentledger.issued_documents AS d
     WHERE d.tenant_id = NEW.tenant_id AND d.series = NEW.series AND d.number = NEW.number - 1)
  THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'the number before this one was not given yet';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER require_previous_number BEFORE INSERT ON agentledger.issued_documents
  FOR EACH ROW EXECUTE FUNCTION agentledger.require_previous_number();
