-- Keys that wrap data keys: each derived by scrypt from the master key, with what it takes to derive it again, and a seal
-- over nothing (iv, auth_tag) that tells a wrong master key. No key stands here.
CREATE TABLE agentledger.key_encryption_keys (
  key_version integer     PRIMARY KEY,
  salt        bytea       NOT NULL,
  scrypt_n    integer     NOT NULL,
  scrypt_r    integer     NOT NULL,
  scrypt_p    integer     NOT NULL,
  iv          bytea       NOT NULL,
  auth_tag    bytea       NOT NULL,
  made_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The data key of every tenant, wrapped by the key of key_version (whose salt is told again, so that a row says all that
-- it takes). The nil tenant is the platform itself. No login role may read the tables: they ask the functions below.
CREATE TABLE agentledger.data_keys (
  tenant_id     uuid        NOT NULL,
  encrypted_key bytea       NOT NULL,
  salt          bytea       NOT NULL,
  iv            bytea       NOT NULL,
  auth_tag      bytea       NOT NULL,
  key_version   integer     NOT NULL,
  made_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id)
);
CREATE INDEX data_keys_of_version ON agentledger.data_keys (key_version);
SELECT agentledger.isolate('agentledger.data_keys', 'api');
CREATE POLICY owner_keeps ON agentledger.data_keys FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);

-- Keys that were destroyed, for ever: a restored backup may bring back the key, and this ledger, replayed, removes it again
-- (docs/operations.md). The nil subject is the tenant itself.
CREATE TABLE agentledger.destroyed_keys (
  tenant_id    uuid        NOT NULL,
  subject_id   uuid        NOT NULL,
  destroyed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, subject_id)
);
SELECT agentledger.isolate('agentledger.destroyed_keys', 'api');
CREATE POLICY owner_keeps ON agentledger.destroyed_keys FOR ALL TO agentledger_owner USING (true) WITH CHECK (true);

-- The wrapped data keys of some tenants; those of destroyed ones without a key, those that have none yet not at all.
CREATE FUNCTION agentledger.data_keys_of(tenants uuid[])
  RETURNS TABLE (tenant_id uuid, encrypted_key bytea, iv bytea, auth_tag bytea, key_version integer)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT d.tenant_id, NULL::bytea, NULL::bytea, NULL::bytea, NULL::integer
    FROM agentledger.destroyed_keys AS d
   WHERE d.tenant_id = ANY(tenants) AND d.subject_id = '00000000-0000-0000-0000-000000000000'
  UNION ALL
  SELECT k.tenant_id, k.encrypted_key, k.iv, k.auth_tag, k.key_version FROM agentledger.data_keys AS k
   WHERE k.tenant_id = ANY(tenants)
     AND NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS d WHERE d.tenant_id = k.tenant_id
                        AND d.subject_id = '00000000-0000-0000-0000-000000000000')
$$;

-- Keeps a new tenant's key, unless it has one or its key was destroyed: of two processes the first wins, and both read what
-- is kept. A key of a version that is retired meanwhile is not kept (the lock waits for who retires it).
CREATE FUNCTION agentledger.keep_data_key(tenant uuid, wrapped bytea, wrap_iv bytea, wrap_tag bytea, wrapped_by integer)
  RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  INSERT INTO agentledger.data_keys (tenant_id, encrypted_key, salt, iv, auth_tag, key_version)
  SELECT tenant, wrapped, k.salt, wrap_iv, wrap_tag, k.key_version
    FROM agentledger.key_encryption_keys AS k
   WHERE k.key_version = wrapped_by
     AND NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS d WHERE d.tenant_id = tenant
                        AND d.subject_id = '00000000-0000-0000-0000-000000000000')
     FOR KEY SHARE OF k
  ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION agentledger.known_key_encryption_keys()
  RETURNS TABLE (key_version integer, salt bytea, scrypt_n integer, scrypt_r integer, scrypt_p integer, iv bytea,
                 auth_tag bytea)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT k.key_version, k.salt, k.scrypt_n, k.scrypt_r, k.scrypt_p, k.iv, k.auth_tag
     FROM agentledger.key_encryption_keys AS k ORDER BY k.key_version $$;

-- The first one of an installation; later ones are made by who changes the master key, as the owner.
CREATE FUNCTION agentledger.keep_first_key_encryption_key(
    scrypt_salt bytea, n integer, r integer, p integer, check_iv bytea, check_tag bytea)
  RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  INSERT INTO agentledger.key_encryption_keys (key_version, salt, scrypt_n, scrypt_r, scrypt_p, iv, auth_tag)
  SELECT 1, scrypt_salt, n, r, p, check_iv, check_tag
   WHERE NOT EXISTS (SELECT FROM agentledger.key_encryption_keys)
  ON CONFLICT DO NOTHING
$$;

REVOKE EXECUTE ON FUNCTION agentledger.data_keys_of, agentledger.keep_data_key, agentledger.known_key_encryption_keys,
  agentledger.keep_first_key_encryption_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.data_keys_of, agentledger.keep_data_key, agentledger.known_key_encryption_keys,
  agentledger.keep_first_key_encryption_key TO agentledger_api, agentledger_worker, agentledger_projector;
