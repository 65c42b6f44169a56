import { Link } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { CallsNow } from "../limits/now";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Time } from "../parts/time";

const AGENTS = graphql(`
  query Agents($first: Int!, $after: String) {
    agents(first: $first, after: $after) {
      edges { node {
        id name role model version updatedAt
        concurrentCalls tokensPerMin costUsdPerMin callsUnderWay callsWaiting tokensUsed costUsedUsd
      } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const FIRST = `curl -sS "${location.origin}/api/v1/agents" -H "Authorization: Bearer $KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "Writer", "model": "offline/echo", "instructions": "Answer in one sentence."}'`;

export function Agents() {
  const { after, pager } = usePages();
  const { data, error, isLoading, again } = useRead(AGENTS, { first: PAGE_SIZE, after });
  useTenantChanges(again, { isOf: (topic) => topic.startsWith("agent.") });
  const rows = data?.agents.edges.map((edge) => edge.node) ?? [];
  return (
    <Page title="Agents">
      <Card isBare>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && rows.length === 0 && (
          <Empty title="No agents yet" command={FIRST}>
            An agent is a role, a model and instructions. The first one:
          </Empty>
        )}
        {rows.length > 0 && (
          <Table
            label="Agents"
            rows={rows}
            keyOf={(row) => row.id}
            to={(row) => `/agents/${row.id}`}
            columns={[
              {
                head: "Name",
                className: "wide",
                cell: (row) => (
                  <>
                    <Link href={`/agents/${row.id}`}>{row.name}</Link>
                    {row.role && <div className="muted clipped">{row.role}</div>}
                  </>
                ),
              },
              { head: "Model", cell: (row) => <code>{row.model}</code> },
              { head: "Version", className: "right", cell: (row) => row.version },
              { head: "Calls now", cell: (row) => <CallsNow limits={row} /> },
              { head: "Changed", cell: (row) => <Time at={row.updatedAt} /> },
              { head: "Id", cell: (row) => <CopyId id={row.id} /> },
            ]}
          />
        )}
        {data && rows.length > 0 && pager(data.agents.pageInfo)}
      </Card>
    </Page>
  );
}
