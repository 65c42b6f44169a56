import { Link } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Time } from "../parts/time";

const WORKFLOWS = graphql(`
  query Workflows($first: Int!, $after: String) {
    workflows(first: $first, after: $after) {
      edges { node { id name description version isPublic createdAt updatedAt } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const FIRST = `curl -sS "${location.origin}/api/v1/workflows" -H "Authorization: Bearer $KEY" \\
  -H 'Content-Type: application/json' -d '{"name": "Answer", "definition": {
  "nodes": [{"id": "start", "type": "start"},
    {"id": "draft", "type": "llm", "config": {"model": "offline/echo", "prompt": "{{ input.question }}"}},
    {"id": "end", "type": "end"}],
  "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}]}}'`;

export function Workflows() {
  const { after, pager } = usePages();
  const { data, error, isLoading, again } = useRead(WORKFLOWS, { first: PAGE_SIZE, after });
  useTenantChanges(again, { isOf: (topic) => topic.startsWith("workflow.") });
  const rows = data?.workflows.edges.map((edge) => edge.node) ?? [];
  return (
    <Page title="Workflows">
      <Card isBare>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && rows.length === 0 && (
          <Empty title="No workflows yet" command={FIRST}>
            A workflow is a graph of steps. The first one:
          </Empty>
        )}
        {rows.length > 0 && (
          <Table
            label="Workflows"
            rows={rows}
            keyOf={(row) => row.id}
            to={(row) => `/workflows/${row.id}`}
            columns={[
              {
                head: "Name",
                className: "wide",
                cell: (row) => (
                  <>
                    <Link href={`/workflows/${row.id}`}>{row.name}</Link>
                    {row.isPublic && (
                      <>
                        {" "}
                        <span className="tag">public</span>
                      </>
                    )}
                    {row.description && <div className="muted clipped">{row.description}</div>}
                  </>
                ),
              },
              { head: "Version", className: "right", cell: (row) => row.version },
              { head: "Changed", cell: (row) => <Time at={row.updatedAt} /> },
              { head: "Created", cell: (row) => <Time at={row.createdAt} /> },
              { head: "Id", cell: (row) => <CopyId id={row.id} /> },
            ]}
          />
        )}
        {data && rows.length > 0 && pager(data.workflows.pageInfo)}
      </Card>
    </Page>
  );
}
