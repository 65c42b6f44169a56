import { Search } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { Link, useLocation } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { Card, Skeleton } from "../parts/card";
import { Empty } from "../parts/empty";
import { ExecutionTable, RUN_ROW } from "../parts/execution-table";
import { NothingRan } from "../parts/first-run";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { wordOf } from "../parts/state-pill";
import { PAGE_SIZE, usePages } from "../parts/table";
import { useParam } from "../parts/url";
import { BulkActions } from "../execution/bulk";
import { BulkOperations } from "../execution/bulk-operations";

const STATES = [
  "PENDING",
  "RUNNING",
  "WAITING",
  "PAUSED",
  "COMPLETED",
  "FAILED",
  "COMPENSATING",
  "COMPENSATED",
  "CANCELLED",
  "NEEDS_ATTENTION",
] as const;
type State = (typeof STATES)[number];
const GROUPS: Record<string, string> = {
  "Going on": "PENDING,RUNNING,WAITING,PAUSED,COMPENSATING",
  "Failed or undone": "FAILED,COMPENSATED,NEEDS_ATTENTION",
};
const SINCE_MS: Record<string, number> = {
  "1h": 3_600_000,
  "24h": 86_400_000,
  "7d": 604_800_000,
  "30d": 2_592_000_000,
  "90d": 7_776_000_000,
};

const EXECUTIONS = graphql(
  `
    query Executions($first: Int!, $after: String, $filter: ExecutionFilter) {
      executions(first: $first, after: $after, filter: $filter) {
        edges { node { ...RunRow } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [RUN_ROW],
);
const NAMES = graphql(`
  query Names {
    workflows(first: 200) { edges { node { id name } } }
    agents(first: 200) { edges { node { id name } } }
  }
`);

const RESETS = ["after"] as const;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function Executions() {
  const [status, setStatus] = useParam("status", RESETS);
  const [of, setOf] = useParam("of", RESETS);
  const [since, setSince] = useParam("since", RESETS);
  const [subject, setSubject] = useParam("subject", RESETS);
  const { after, pager } = usePages();
  // Whole minutes, so that the query does not change with every second.
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const filter = useMemo(() => {
    const [kind, id] = of.split(":");
    const span = SINCE_MS[since];
    return {
      status: statesIn(status),
      workflowId: kind === "workflow" ? id : null,
      agentId: kind === "agent" ? id : null,
      dataSubject: subject === "" ? null : subject,
      createdAfter: span === undefined ? null : new Date(minute - span).toISOString(),
    };
  }, [status, of, since, subject, minute]);
  const { data, error, isLoading, isStale, again } = useRead(EXECUTIONS, {
    first: PAGE_SIZE,
    after,
    filter,
  });
  useTenantChanges(() => after === null && again(), {
    isOf: (topic) => topic.startsWith("execution."),
  });
  const rows = data?.executions.edges.map((edge) => edge.node) ?? [];
  const isFiltered = status + of + since + subject !== "";
  return (
    <Page
      title="Executions"
      actions={<BulkActions filter={filter} isWhole={isFiltered && filter.agentId === null && subject === ""} again={again} />}
    >
      <BulkOperations />
      <Card isBare>
        <div className="card-head filters">
          <Find onSubject={setSubject} subject={subject} />
          <Choice label="Status" value={status} onChange={setStatus}>
            <option value="">Any</option>
            {Object.entries(GROUPS).map(([label, states]) => (
              <option key={label} value={states}>
                {label}
              </option>
            ))}
            {STATES.map((state) => (
              <option key={state} value={state}>
                {wordOf(state)}
              </option>
            ))}
          </Choice>
          <Of value={of} onChange={setOf} />
          <Choice label="Started" value={since} onChange={setSince}>
            <option value="">Any time</option>
            <option value="1h">Last hour</option>
            <option value="24h">Last 24 hours</option>
            <option value="7d">Last 7 days</option>
            <option value="30d">Last 30 days</option>
            <option value="90d">Last 90 days</option>
          </Choice>
        </div>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && rows.length === 0 && (
          <Nothing isFiltered={isFiltered} />
        )}
        {rows.length > 0 && (
          <ExecutionTable label="Executions" rows={rows} isStale={isStale && isLoading} />
        )}
        {data && rows.length > 0 && pager(data.executions.pageInfo)}
      </Card>
    </Page>
  );
}

function statesIn(text: string): State[] | null {
  const states = text.split(",").filter((one): one is State => STATES.includes(one as State));
  return states.length === 0 ? null : states;
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No execution fits">
        <Link href="/executions">Show all executions</Link>
      </Empty>
    );
  }
  return <NothingRan />;
}

function Choice({
  label,
  value,
  onChange,
  children,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: React.ReactNode;
}) {
  return (
    <label className="field">
      <span>{label}</span>
      <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
        {children}
      </select>
    </label>
  );
}

function Of({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { data } = useRead(NAMES, {});
  const options = (kind: string, edges: { node: { id: string; name: string } }[] = []) =>
    edges.map(({ node }) => (
      <option key={node.id} value={`${kind}:${node.id}`}>
        {node.name}
      </option>
    ));
  return (
    <Choice label="Workflow or agent" value={value} onChange={onChange}>
      <option value="">Everything</option>
      <optgroup label="Workflows">{options("workflow", data?.workflows.edges)}</optgroup>
      <optgroup label="Agents">{options("agent", data?.agents.edges)}</optgroup>
    </Choice>
  );
}

/** An id opens its execution; anything else is the name of a data subject. */
function Find({ subject, onSubject }: { subject: string; onSubject: (value: string) => void }) {
  const [, navigate] = useLocation();
  const [text, setText] = useState(subject);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = text.trim();
    if (UUID.test(wanted)) navigate(`/executions/${wanted}`);
    else onSubject(wanted);
  };
  return (
    <form className="row" role="search" onSubmit={submit}>
      <label className="field">
        <span>Execution id, or data subject</span>
        <input
          className="input"
          type="search"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className="button icon find" aria-label="Find">
        <Search size={15} aria-hidden />
      </button>
    </form>
  );
}
