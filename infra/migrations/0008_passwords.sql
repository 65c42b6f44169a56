-- bcrypt hashes of users' passwords, beside the log.
CREATE TABLE agentledger.passwords (
  tenant_id     uuid NOT NULL,
  user_id       uuid NOT NULL,
  email         text NOT NULL,
  password_hash text NOT NULL,
  PRIMARY KEY (tenant_id, user_id),
  UNIQUE (tenant_id, email)
);
SELECT agentledger.isolate('agentledger.passwords', 'api');
CREATE POLICY append_any ON agentledger.passwords FOR INSERT TO agentledger_writer WITH CHECK (true);
GRANT INSERT ON agentledger.passwords TO agentledger_writer;
