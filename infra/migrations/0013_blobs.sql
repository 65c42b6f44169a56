-- Payloads too large for an event (infra/payload_offloading.py), under the hash of their bytes: what a tenant stores
-- twice is there once. Written with the events that refer to them, never changed; used_at moves when another event
-- comes to refer to one, so that who removes what is of no more use (retention) sees that it is of use again.
CREATE TABLE agentledger.blobs (
  tenant_id uuid        NOT NULL,
  sha256    bytea       NOT NULL,
  bytes     bigint      NOT NULL,
  content   bytea       NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  used_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, sha256)
) WITH (fillfactor = 90);
SELECT agentledger.isolate('agentledger.blobs', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.blobs FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.blobs FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.blobs TO agentledger_api, agentledger_worker;
-- The writer adds payloads, and can read none.
GRANT INSERT, UPDATE (used_at) ON agentledger.blobs TO agentledger_writer;
GRANT SELECT (tenant_id, sha256, bytes, stored_at, used_at) ON agentledger.blobs TO agentledger_writer;

-- Which streams refer to a blob.
CREATE TABLE agentledger.blob_uses (
  tenant_id uuid  NOT NULL,
  stream_id uuid  NOT NULL,
  sha256    bytea NOT NULL,
  PRIMARY KEY (tenant_id, stream_id, sha256)
);
CREATE INDEX blob_uses_of_blob ON agentledger.blob_uses (tenant_id, sha256);
SELECT agentledger.isolate('agentledger.blob_uses', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.blob_uses FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.blob_uses FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.blob_uses TO agentledger_api, agentledger_worker;
GRANT INSERT ON agentledger.blob_uses TO agentledger_writer;
GRANT SELECT (tenant_id, stream_id, sha256) ON agentledger.blob_uses TO agentledger_writer;

-- How many bytes of blobs each tenant has. Counted where they are stored, because a sum over them would be read too
-- often for what it costs.
CREATE TABLE agentledger.blob_totals (
  tenant_id uuid   NOT NULL,
  bytes     bigint NOT NULL,
  PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
SELECT agentledger.isolate('agentledger.blob_totals', 'api', 'worker');
CREATE POLICY writer_keeps ON agentledger.blob_totals FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON agentledger.blob_totals FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT ON agentledger.blob_totals TO agentledger_api, agentledger_worker;
GRANT INSERT, UPDATE ON agentledger.blob_totals TO agentledger_writer;
GRANT SELECT ON agentledger.blob_totals TO agentledger_writer;
