-- Logins of people: what is secret or changes too often for the log. Everything is found by a keyed or plain hash of
-- something random; no address and no secret lies here in the clear.

-- Addresses are found in user_access; the clear ones of before go.
ALTER TABLE agentledger.passwords ALTER COLUMN email DROP NOT NULL;
CREATE POLICY writer_replaces ON agentledger.passwords FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT (tenant_id, user_id), UPDATE (password_hash) ON agentledger.passwords TO agentledger_writer;
GRANT SELECT, UPDATE (password_hash) ON agentledger.passwords TO agentledger_api;
CREATE POLICY owner_looks_up ON agentledger.passwords FOR SELECT TO agentledger_owner USING (true);
CREATE INDEX user_access_by_email ON agentledger.user_access (email_hash);

CREATE TABLE agentledger.second_factors (
  tenant_id     uuid        NOT NULL,
  user_id       uuid        NOT NULL,
  sealed_secret bytea       NOT NULL,
  confirmed_at  timestamptz,
  -- The number of the last time step whose code was used: no code counts twice.
  used_step     bigint      NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, user_id)
);
SELECT agentledger.isolate('agentledger.second_factors', 'api');
CREATE POLICY writer_keeps ON agentledger.second_factors FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY owner_looks_up ON agentledger.second_factors FOR SELECT TO agentledger_owner USING (true);
GRANT SELECT, INSERT, UPDATE ON agentledger.second_factors TO agentledger_api;
GRANT SELECT (tenant_id, user_id), DELETE, UPDATE (confirmed_at) ON agentledger.second_factors TO agentledger_writer;

CREATE TABLE agentledger.recovery_codes (
  tenant_id uuid  NOT NULL,
  user_id   uuid  NOT NULL,
  code_hash bytea NOT NULL,
  PRIMARY KEY (tenant_id, user_id, code_hash)
);
SELECT agentledger.isolate('agentledger.recovery_codes', 'api');
CREATE POLICY writer_keeps ON agentledger.recovery_codes FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON agentledger.recovery_codes TO agentledger_api;
GRANT SELECT (tenant_id, user_id), INSERT, DELETE ON agentledger.recovery_codes TO agentledger_writer;

-- Tokens in mails that let somebody set a new password.
CREATE TABLE agentledger.reset_tokens (
  tenant_id  uuid        NOT NULL,
  token_hash bytea       NOT NULL,
  user_id    uuid        NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, token_hash)
);
CREATE INDEX reset_tokens_of_user ON agentledger.reset_tokens (tenant_id, user_id);
SELECT agentledger.isolate('agentledger.reset_tokens', 'api');
CREATE POLICY writer_keeps ON agentledger.reset_tokens FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY worker_clears ON agentledger.reset_tokens FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON agentledger.reset_tokens TO agentledger_api;
GRANT SELECT (tenant_id, user_id), INSERT, DELETE ON agentledger.reset_tokens TO agentledger_writer;
GRANT SELECT, DELETE ON agentledger.reset_tokens TO agentledger_worker;

-- Whether a session is alive, asked with every access token.
CREATE TABLE agentledger.sessions (
  tenant_id    uuid        NOT NULL,
  session_id   uuid        NOT NULL,
  user_id      uuid        NOT NULL,
  expires_at   timestamptz NOT NULL,
  refreshed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at     timestamptz,
  PRIMARY KEY (tenant_id, session_id)
) WITH (fillfactor = 70);
CREATE INDEX sessions_of_user ON agentledger.sessions (tenant_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_over ON agentledger.sessions (expires_at);
SELECT agentledger.isolate('agentledger.sessions', 'api');
CREATE POLICY writer_keeps ON agentledger.sessions FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY worker_clears ON agentledger.sessions FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (refreshed_at) ON agentledger.sessions TO agentledger_api;
GRANT SELECT (tenant_id, session_id, user_id, ended_at), INSERT, UPDATE (ended_at) ON agentledger.sessions TO agentledger_writer;
GRANT SELECT, DELETE ON agentledger.sessions TO agentledger_worker;

-- Every refresh token that a session ever had, so that an old one is known when it comes back. sealed_successor: readable
-- only to who holds the token itself.
CREATE TABLE agentledger.refresh_tokens (
  tenant_id        uuid        NOT NULL,
  token_hash       bytea       NOT NULL,
  session_id       uuid        NOT NULL,
  expires_at       timestamptz NOT NULL,
  used_at          timestamptz,
  successor_hash   bytea,
  sealed_successor bytea,
  PRIMARY KEY (tenant_id, token_hash)
) WITH (fillfactor = 70);
CREATE INDEX refresh_tokens_of_session ON agentledger.refresh_tokens (tenant_id, session_id);
SELECT agentledger.isolate('agentledger.refresh_tokens', 'api');
CREATE POLICY writer_keeps ON agentledger.refresh_tokens FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
CREATE POLICY worker_clears ON agentledger.refresh_tokens FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON agentledger.refresh_tokens TO agentledger_api;
GRANT INSERT ON agentledger.refresh_tokens TO agentledger_writer;
GRANT SELECT, DELETE ON agentledger.refresh_tokens TO agentledger_worker;

-- Who logs in has no tenant yet: the accounts of an address, by its keyed hash or, of before, the address itself.
CREATE FUNCTION agentledger.login_accounts(wanted_hash bytea, wanted_email text, wanted_tenant uuid, count_max integer)
  RETURNS TABLE (tenant_id uuid, user_id uuid, password_hash text, has_second_factor boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$ SELECT p.tenant_id, p.user_id, p.password_hash,
          EXISTS (SELECT FROM agentledger.second_factors AS f WHERE f.tenant_id = p.tenant_id AND f.user_id = p.user_id
                     AND f.confirmed_at IS NOT NULL)
     FROM agentledger.user_access AS a
     JOIN agentledger.passwords AS p ON p.tenant_id = a.tenant_id AND p.user_id = a.user_id
    WHERE (a.email_hash = wanted_hash OR (a.email_hash IS NULL AND p.email = wanted_email))
      AND a.status = 'ACTIVE' AND (wanted_tenant IS NULL OR p.tenant_id = wanted_tenant)
    ORDER BY p.tenant_id LIMIT count_max $$;
REVOKE EXECUTE ON FUNCTION agentledger.login_accounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.login_accounts TO agentledger_api;

-- Attempts to log in, by the keyed hash of an address of mail or of the network: before anybody is known, so without a
-- tenant. Also a person's attempts at their second factor.
CREATE TABLE agentledger.login_attempts (
  attempt_key   bytea            PRIMARY KEY,
  failures      double precision NOT NULL,
  counted_at    timestamptz      NOT NULL,
  blocked_until timestamptz      NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX login_attempts_old ON agentledger.login_attempts (counted_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON agentledger.login_attempts TO agentledger_api;
GRANT SELECT (attempt_key, counted_at, failures), DELETE ON agentledger.login_attempts TO agentledger_worker;

-- The keys that sign access tokens. The private half is sealed for the platform (infra/data_keys.py).
CREATE TABLE agentledger.signing_keys (
  key_id         text        PRIMARY KEY,
  public_key     bytea       NOT NULL,
  sealed_private bytea       NOT NULL,
  made_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at     timestamptz
);
GRANT SELECT, INSERT, UPDATE (revoked_at) ON agentledger.signing_keys TO agentledger_api;
