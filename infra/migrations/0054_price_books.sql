-- Which price books there are, and the newest version of each, for the processes that keep them in memory. What they say is
-- in their events. The nil tenant's is the platform's.
CREATE TABLE agentledger.price_books (
  tenant_id    uuid    NOT NULL,
  book_id      uuid    NOT NULL,
  book_version integer NOT NULL,
  PRIMARY KEY (tenant_id, book_id)
);
SELECT agentledger.isolate('agentledger.price_books', 'api');
-- A worker prices what all tenants use.
CREATE POLICY worker_reads ON agentledger.price_books FOR SELECT TO agentledger_worker USING (true);
CREATE POLICY writer_keeps ON agentledger.price_books FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.price_books TO agentledger_api, agentledger_worker;
GRANT SELECT, INSERT, UPDATE (book_version) ON agentledger.price_books TO agentledger_writer;
