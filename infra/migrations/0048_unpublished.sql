-- Workflows that were public and are not any more, from the moment at which that is stored: read models say it a little
-- later, or much later while no projector runs.
CREATE TABLE agentledger.unpublished_workflows (
  tenant_id   uuid NOT NULL,
  workflow_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, workflow_id)
);
SELECT agentledger.isolate('agentledger.unpublished_workflows', 'api');
CREATE POLICY writer_keeps ON agentledger.unpublished_workflows FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.unpublished_workflows TO agentledger_api;
GRANT SELECT, INSERT, DELETE ON agentledger.unpublished_workflows TO agentledger_writer;

-- With the rights of who asks, or of the function that does.
CREATE FUNCTION agentledger.unpublished() RETURNS SETOF uuid LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT u.workflow_id FROM agentledger.unpublished_workflows AS u WHERE u.tenant_id = agentledger.current_tenant() $$;
