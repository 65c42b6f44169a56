-- The keys with which resellers sign licences; the private half is sealed for the reseller's tenant, and ends with it.
CREATE TABLE agentledger.licence_keys (
  tenant_id      uuid        NOT NULL,
  key_id         text        NOT NULL,
  public_key     bytea       NOT NULL,
  sealed_private bytea       NOT NULL,
  made_at        timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key_id)
);
SELECT agentledger.isolate('agentledger.licence_keys', 'api');
GRANT SELECT, INSERT ON agentledger.licence_keys TO agentledger_api;

-- Which documents do not count any more: those of a licence up to a serial. number: counts what the issuer has revoked, so that
-- a list is known to be newer than another. until: none of them would count afterwards anyhow.
CREATE TABLE agentledger.licence_revocations (
  tenant_id  uuid        NOT NULL,
  licence_id uuid        NOT NULL,
  serial     integer     NOT NULL,
  number     bigint      NOT NULL,
  revoked_at timestamptz NOT NULL,
  until      timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, licence_id)
);
CREATE UNIQUE INDEX licence_revocations_by_number ON agentledger.licence_revocations (tenant_id, number);
SELECT agentledger.isolate('agentledger.licence_revocations', 'api');
CREATE POLICY writer_keeps ON agentledger.licence_revocations FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.licence_revocations TO agentledger_api;
GRANT SELECT, INSERT, UPDATE (serial, number, revoked_at, until) ON agentledger.licence_revocations TO agentledger_writer;

-- Two at a time would have the same number: the second waits for the first.
CREATE FUNCTION agentledger.keep_revocation(tenant uuid, licence uuid, up_to integer, at timestamptz, ends timestamptz)
  RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = agentledger, pg_catalog AS
$$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('licence_revocations/' || tenant::text, 0));
  INSERT INTO licence_revocations (tenant_id, licence_id, serial, number, revoked_at, until)
    SELECT tenant, licence, up_to, coalesce(max(r.number), 0) + 1, at, ends FROM licence_revocations AS r
     WHERE r.tenant_id = tenant
    ON CONFLICT (tenant_id, licence_id) DO UPDATE
      SET serial = EXCLUDED.serial, number = EXCLUDED.number, revoked_at = EXCLUDED.revoked_at, until = EXCLUDED.until
      WHERE licence_revocations.serial < EXCLUDED.serial;
END $$;
REVOKE EXECUTE ON FUNCTION agentledger.keep_revocation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.keep_revocation TO agentledger_writer;
