-- How somebody proved who they are whose login an application picks up: what the tenant asks for is decided then.
ALTER TABLE agentledger.oauth_codes ADD COLUMN factors text[] NOT NULL DEFAULT '{identity_provider}';
