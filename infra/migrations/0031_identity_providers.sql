-- What we say to an identity provider to be believed, sealed with a key of the tenant. Written with the events.
CREATE TABLE agentledger.client_secrets (
  tenant_id   uuid  NOT NULL,
  provider_id uuid  NOT NULL,
  sealed      bytea NOT NULL,
  PRIMARY KEY (tenant_id, provider_id)
);
SELECT agentledger.isolate('agentledger.client_secrets', 'api');
CREATE POLICY writer_keeps ON agentledger.client_secrets FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.client_secrets TO agentledger_api, agentledger_writer;
GRANT INSERT, UPDATE (sealed), DELETE ON agentledger.client_secrets TO agentledger_writer;

-- Browsers that are on their way to a provider and back. Of state and browser only hashes lie here; nonce and code
-- verifier are made from what the browser keeps, so this table lets nobody finish somebody's login.
-- user_id: whose account the identity is to be linked to; NULL to sign in.
CREATE TABLE agentledger.oauth_attempts (
  tenant_id      uuid        NOT NULL,
  state_hash     bytea       NOT NULL,
  browser_hash   bytea       NOT NULL,
  provider_id    uuid        NOT NULL,
  user_id        uuid,
  return_to      text,
  code_challenge text,
  expires_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, state_hash)
);
CREATE INDEX oauth_attempts_expired ON agentledger.oauth_attempts (tenant_id, expires_at);
SELECT agentledger.isolate('agentledger.oauth_attempts', 'api');
GRANT SELECT, INSERT, DELETE ON agentledger.oauth_attempts TO agentledger_api;

-- Logins that an application picks up: with the code that its page was called with, and the verifier that it kept.
CREATE TABLE agentledger.oauth_codes (
  tenant_id      uuid        NOT NULL,
  code_hash      bytea       NOT NULL,
  user_id        uuid        NOT NULL,
  code_challenge text        NOT NULL,
  expires_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, code_hash)
);
CREATE INDEX oauth_codes_expired ON agentledger.oauth_codes (tenant_id, expires_at);
SELECT agentledger.isolate('agentledger.oauth_codes', 'api');
GRANT SELECT, INSERT, DELETE ON agentledger.oauth_codes TO agentledger_api;
