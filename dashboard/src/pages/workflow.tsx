import { Play } from "lucide-react";
import { useState } from "react";
import { Link, useParams } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { definitionOf, exampleInput } from "../execution/definition";
import { Graph } from "../execution/graph";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty, NotFound } from "../parts/empty";
import { ExecutionTable, RUN_ROW } from "../parts/execution-table";
import { Json } from "../parts/json";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { RunDialog } from "../parts/run-dialog";
import { Time } from "../parts/time";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";
import { Publish } from "../templates/publish";
import { Triggers } from "../triggers/card";
import { TRIGGER_ROW } from "../triggers/table";

const WORKFLOW = graphql(
  `
    query Workflow($id: ID!) {
      workflow(id: $id) {
        id name description version isDeleted isPublic
        versions(first: 50) { version name definitionHash definition createdAt createdBy }
      }
      executions(first: 10, filter: { workflowId: $id }) { edges { node { ...RunRow } } }
      triggers(first: 50, workflowId: $id) { edges { node { ...TriggerRow } } }
      latest: executions(first: 1, filter: { workflowId: $id, status: [COMPLETED] }) {
        edges { node { input } }
      }
    }
  `,
  [RUN_ROW, TRIGGER_ROW],
);
const UP = { to: "/workflows", label: "Workflows" };

export default function WorkflowPage() {
  const { id = "" } = useParams<{ id: string }>();
  const [given, setVersion] = useParam("version");
  const [selected, setSelected] = useParam("node");
  const [isRunning, setIsRunning] = useState(false);
  const may = useMay();
  const { data, error, isLoading, again } = useRead(WORKFLOW, { id });
  useTenantChanges(again, { everyMs: 2_000 });
  const workflow = data?.workflow;
  const shown =
    workflow?.versions.find((one) => String(one.version) === given) ?? workflow?.versions[0];
  if (!workflow || !shown) {
    return (
      <Page title="Workflow" up={UP}>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && !workflow && <NotFound what="workflow" up={{ ...UP, label: "All workflows" }} />}
      </Page>
    );
  }
  const definition = definitionOf(shown.definition);
  const node = definition?.nodes.find((one) => one.id === selected);
  return (
    <Page
      title={workflow.name}
      heading={
        <span className="row">
          {workflow.name} <CopyId id={workflow.id} />
          {workflow.isDeleted && <span className="tag">deleted</span>}
          {workflow.isPublic && !workflow.isDeleted && <span className="tag">template</span>}
        </span>
      }
      up={UP}
      actions={
        !workflow.isDeleted && (
          <div className="buttons">
            {may("workflows:write") && (
              <Publish id={id} name={workflow.name} isPublic={workflow.isPublic} again={again} />
            )}
            {may("workflows:execute") && (
              <button type="button" className="button primary" onClick={() => setIsRunning(true)}>
                <Play size={14} aria-hidden /> Run
              </button>
            )}
          </div>
        )
      }
    >
      {workflow.description && <p className="muted">{workflow.description}</p>}
      <div className="run">
        <section className="card" aria-label="Graph of the definition">
          <div className="tabs">
            <label className="row">
              <span className="muted">Version</span>
              <select
                className="input version"
                value={shown.version}
                onChange={(event) =>
                  setVersion(event.target.value === String(workflow.version) ? "" : event.target.value)
                }
              >
                {workflow.versions.map((one) => (
                  <option key={one.version} value={one.version}>
                    {one.version}
                  </option>
                ))}
              </select>
            </label>
            <span className="grow" />
            <span className="muted">
              made <Time at={shown.createdAt} /> · hash{" "}
              <span title={shown.definitionHash} className="mono">
                {shown.definitionHash.slice(0, 10)}
              </span>
            </span>
          </div>
          {definition && (
            <Graph
              key={shown.definitionHash}
              label="The nodes of the workflow"
              definition={definition}
              selected={selected}
              onSelect={setSelected}
            />
          )}
        </section>
        <Card title={node ? `Node ${node.id}` : "Definition"}>
          <Json value={node ?? shown.definition} label={node ? node.id : "Definition"} />
        </Card>
      </div>
      <Card
        title="Latest executions"
        isBare
        actions={<Link href={`/executions?of=workflow:${id}`}>All of this workflow</Link>}
      >
        {data.executions.edges.length === 0 ? (
          <Empty title="It has not run yet" />
        ) : (
          <ExecutionTable
            label="Executions of this workflow"
            rows={data.executions.edges.map((edge) => edge.node)}
          />
        )}
      </Card>
      <Triggers
        workflowId={id}
        rows={data.triggers.edges.map((edge) => edge.node)}
        mayAdd={may("workflows:execute") && !workflow.isDeleted}
        again={again}
      />
      {isRunning && (
        <RunDialog
          title={`Run ${workflow.name}, version ${shown.version}`}
          does="Starts an execution. What its nodes call is called, and what that costs is counted."
          path={`/workflows/${id}/execute`}
          example={data.latest.edges[0]?.node.input ?? exampleInput(shown.definition)}
          version={shown.version}
          onClose={() => setIsRunning(false)}
        />
      )}
    </Page>
  );
}
