-- One login role per kind of process, each with only what it needs; none owns anything, none bypasses row security.
-- Passwords are set by infra/migrations/__init__.py, derived from the master key, and never stand in a file.
DO $$
DECLARE role_name text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'agentledger_owner') THEN
    CREATE ROLE agentledger_owner NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
  END IF;
  FOREACH role_name IN ARRAY ARRAY['api', 'writer', 'tail', 'relay', 'projector', 'worker'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'agentledger_' || role_name) THEN
      EXECUTE format('CREATE ROLE agentledger_%s LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOINHERIT',
                     role_name);
    END IF;
  END LOOP;
  EXECUTE format('GRANT agentledger_owner TO %I', current_user);
END $$;

CREATE SCHEMA agentledger AUTHORIZATION agentledger_owner;
GRANT USAGE ON SCHEMA agentledger TO
  agentledger_api, agentledger_writer, agentledger_tail, agentledger_relay, agentledger_projector, agentledger_worker;
