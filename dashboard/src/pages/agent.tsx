import { Play } from "lucide-react";
import { useState } from "react";
import { Link, useParams } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { AgentLimits } from "../limits/agent";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty, NotFound } from "../parts/empty";
import { ExecutionTable, RUN_ROW } from "../parts/execution-table";
import { Json } from "../parts/json";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { RunDialog } from "../parts/run-dialog";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";
import { Actor } from "../execution/history";

const AGENT = graphql(
  `
    query Agent($id: ID!) {
      agent(id: $id) {
        id name role version isDeleted
        versions(first: 50) {
          version name role model instructions tools parameters createdAt createdBy
        }
      }
      executions(first: 10, filter: { agentId: $id }) { edges { node { ...RunRow } } }
    }
  `,
  [RUN_ROW],
);
const UP = { to: "/agents", label: "Agents" };

function orNone(value: unknown): unknown {
  return value !== null && typeof value === "object" && Object.keys(value).length === 0 ? null : value;
}

export default function AgentPage() {
  const { id = "" } = useParams<{ id: string }>();
  const [given, setVersion] = useParam("version");
  const [isRunning, setIsRunning] = useState(false);
  const may = useMay();
  const { data, error, isLoading, again } = useRead(AGENT, { id });
  useTenantChanges(again, { everyMs: 2_000 });
  const agent = data?.agent;
  const shown = agent?.versions.find((one) => String(one.version) === given) ?? agent?.versions[0];
  if (!agent || !shown) {
    return (
      <Page title="Agent" up={UP}>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && !agent && <NotFound what="agent" up={{ ...UP, label: "All agents" }} />}
      </Page>
    );
  }
  return (
    <Page
      title={agent.name}
      heading={
        <span className="row">
          {agent.name} <CopyId id={agent.id} />
          {agent.isDeleted && <span className="tag">deleted</span>}
        </span>
      }
      up={UP}
      actions={
        may("agents:execute") &&
        !agent.isDeleted && (
          <button type="button" className="button primary" onClick={() => setIsRunning(true)}>
            <Play size={14} aria-hidden /> Run
          </button>
        )
      }
    >
      <div className="columns">
        <Card title={`Version ${shown.version}`}>
          <div className="stack">
            <dl className="facts">
              <div>
                <dt>Model</dt>
                <dd>
                  <code>{shown.model}</code>
                </dd>
              </div>
              <div>
                <dt>Role</dt>
                <dd>{shown.role ?? "–"}</dd>
              </div>
              <div>
                <dt>Made</dt>
                <dd>
                  <Time at={shown.createdAt} />
                </dd>
              </div>
            </dl>
            <div className="stack-small">
              <h3>Instructions</h3>
              <p className="prose">{shown.instructions}</p>
            </div>
            <div className="stack-small">
              <h3>Parameters</h3>
              <Json value={orNone(shown.parameters)} label="Parameters" />
            </div>
            <div className="stack-small">
              <h3>Tools</h3>
              <Json value={orNone(shown.tools)} label="Tools" />
            </div>
          </div>
        </Card>
        <Card title="Versions" isBare>
          <Table
            label="Versions"
            rows={agent.versions}
            keyOf={(one) => String(one.version)}
            columns={[
              {
                head: "Version",
                cell: (one) => (
                  <button
                    type="button"
                    className="button link"
                    aria-pressed={one.version === shown.version}
                    onClick={() => setVersion(one.version === agent.version ? "" : String(one.version))}
                  >
                    {one.version}
                  </button>
                ),
              },
              { head: "By", cell: (one) => <Actor actor={one.createdBy} /> },
              { head: "Made", cell: (one) => <Time at={one.createdAt} /> },
            ]}
          />
        </Card>
      </div>
      <AgentLimits id={id} />
      <Card
        title="Latest executions"
        isBare
        actions={<Link href={`/executions?of=agent:${id}`}>All of this agent</Link>}
      >
        {data.executions.edges.length === 0 ? (
          <Empty title="It has not run by itself yet">
            As a part of a workflow it shows in the runs of that workflow.
          </Empty>
        ) : (
          <ExecutionTable
            label="Executions of this agent"
            rows={data.executions.edges.map((edge) => edge.node)}
          />
        )}
      </Card>
      {isRunning && (
        <RunDialog
          title={`Run ${agent.name}`}
          does={`Calls ${shown.model} once, with the newest version; what that costs is counted.`}
          path={`/agents/${id}/execute`}
          example="What should I check first?"
          onClose={() => setIsRunning(false)}
        />
      )}
    </Page>
  );
}
