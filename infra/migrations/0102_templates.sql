-- Workflows that are offered as a starting point: public ones, of a tenant to itself, and the platform's to everybody. A row
-- is written and removed with the event that says so; its embedding is made by a worker, and made anew for another version
-- or another model. The extension vector is there by now (infra/migrations/__init__.py), in whatever schema it was put.
SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(n.nspname), true)
  FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector';

CREATE TABLE agentledger.templates (
  tenant_id        uuid        NOT NULL,
  workflow_id      uuid        NOT NULL,
  workflow_version integer     NOT NULL,
  -- What the embedding is of, and by which model; another model's say nothing to each other.
  embedded_version integer,
  model            text,
  embedding        vector,
  -- When a worker is to look at it; infinity while nothing is to be done.
  due_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts_count   integer     NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, workflow_id)
);
CREATE INDEX templates_due ON agentledger.templates (due_at);
SELECT agentledger.isolate('agentledger.templates', 'api');
-- A worker serves all tenants.
CREATE POLICY worker_keeps ON agentledger.templates FOR ALL TO agentledger_worker USING (true) WITH CHECK (true);
CREATE POLICY writer_keeps ON agentledger.templates FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.templates TO agentledger_api, agentledger_worker;
GRANT UPDATE (embedded_version, model, embedding, due_at, attempts_count), DELETE
  ON agentledger.templates TO agentledger_worker;
GRANT INSERT, UPDATE (workflow_version, due_at, attempts_count), DELETE ON agentledger.templates TO agentledger_writer;
GRANT SELECT (tenant_id, workflow_id, workflow_version) ON agentledger.templates TO agentledger_writer;

-- Bodies that are parsed here, so that nobody who calls them needs to know where the extension is.
CREATE FUNCTION agentledger.vector_of(numbers text) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN numbers::vector;
-- The cosine of the angle between them, or null for what cannot be compared: other dimensions, or no direction at all.
CREATE FUNCTION agentledger.similarity(one vector, other vector) RETURNS double precision
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN vector_dims(one) = vector_dims(other) THEN nullif(1 - (one <=> other), 'NaN') END;
REVOKE EXECUTE ON FUNCTION agentledger.vector_of, agentledger.similarity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.vector_of TO agentledger_api, agentledger_worker;
GRANT EXECUTE ON FUNCTION agentledger.similarity TO agentledger_api;

-- What is public already, as far as the read model of the time knows; whoever rebuilds it later changes nothing here.
DO $$
BEGIN
  IF to_regclass('agentledger.workflows_v1') IS NOT NULL THEN
    CREATE POLICY owner_fills ON agentledger.templates FOR INSERT TO agentledger_owner WITH CHECK (true);
    INSERT INTO agentledger.templates (tenant_id, workflow_id, workflow_version)
      SELECT w.tenant_id, w.workflow_id, w.workflow_version FROM agentledger.workflows_v1 AS w
       WHERE w.is_public AND NOT w.is_deleted;
    DROP POLICY owner_fills ON agentledger.templates;
  END IF;
END $$;
