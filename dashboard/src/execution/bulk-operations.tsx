/** How far decisions about many executions have come; one that is under way can be stopped. */
import { useState } from "react";
import { Link } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { Card } from "../parts/card";
import { CommandDialog } from "../parts/command-dialog";
import { countText } from "../parts/money";
import { StatePill, wordOf } from "../parts/state-pill";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { useMayAll } from "../session/permissions";

const OPERATIONS = graphql(`
  query BulkOperations {
    bulkOperations(first: 5) {
      edges {
        node {
          id action filter status executionsMax doneCount refusedCount refusals createdAt completedAt
        }
      }
    }
  }
`);
type Operation = ResultOf<typeof OPERATIONS>["bulkOperations"]["edges"][number]["node"];
/** What ended longer ago is in the audit trail. */
const SHOWN_MS = 24 * 3_600_000;

export function BulkOperations() {
  const mayAll = useMayAll();
  const [stopping, setStopping] = useState<Operation | null>(null);
  const { data, again } = useRead(OPERATIONS, {});
  useTenantChanges(again, { isOf: (topic) => topic.startsWith("bulk_operation.") });
  const since = Date.now() - SHOWN_MS;
  const rows = (data?.bulkOperations.edges ?? [])
    .map((edge) => edge.node)
    .filter(({ completedAt }) => completedAt === null || Date.parse(completedAt) > since);
  if (rows.length === 0) return null;
  return (
    <Card title="Bulk operations" isBare>
      <Table
        label="Bulk operations"
        rows={rows}
        keyOf={(row) => row.id}
        columns={[
          {
            head: "What",
            className: "wide",
            cell: (row) => (
              <>
                {wordOf(row.action)} executions
                <div className="muted clipped">{filterText(row.filter)}</div>
              </>
            ),
          },
          {
            head: "State",
            cell: (row) => <StatePill state={row.status} />,
          },
          { head: "How far", cell: (row) => <Progress operation={row} /> },
          { head: "Refused", cell: (row) => <Refused operation={row} /> },
          { head: "Begun", cell: (row) => <Time at={row.createdAt} /> },
          {
            head: "What to do",
            cell: (row) =>
              row.status === "RUNNING" &&
              mayAll("executions:write") && (
                <button type="button" className="button" onClick={() => setStopping(row)}>
                  Stop
                </button>
              ),
          },
        ]}
      />
      {stopping && (
        <CommandDialog
          title="Stop it"
          does="It begins nothing more. What it did stays as it is."
          verb="Stop it"
          isDanger
          path={`/bulk-operations/${stopping.id}/cancel`}
          body={{}}
          onDone={again}
          onClose={() => setStopping(null)}
        />
      )}
    </Card>
  );
}

function Progress({ operation }: { operation: Operation }) {
  const { doneCount, refusedCount, executionsMax } = operation;
  const looked = doneCount + refusedCount;
  return (
    <div className="stack-small">
      <div
        className="meter"
        role="progressbar"
        aria-label={`${wordOf(operation.action)} executions`}
        aria-valuemin={0}
        aria-valuemax={executionsMax}
        aria-valuenow={looked}
      >
        <span className="tone-good" style={{ width: `${(looked / executionsMax) * 100}%` }} />
      </div>
      <span className="muted nowrap">
        {countText(doneCount)} done of {countText(executionsMax)}
      </span>
    </div>
  );
}

function Refused({ operation }: { operation: Operation }) {
  const { refusedCount } = operation;
  const [first] = operation.refusals as { execution_id: string; detail: string }[];
  if (first === undefined) return <>{countText(refusedCount)}</>;
  return (
    <>
      {countText(refusedCount)}
      <div className="muted clipped" title={first.detail}>
        <Link href={`/executions/${first.execution_id}`}>the first</Link>: {first.detail}
      </div>
    </>
  );
}

function filterText(filter: unknown): string {
  const told = filter as Record<string, unknown>;
  const states = [told.status ?? []].flat().map((state) => wordOf(String(state)));
  return [
    states.join(", "),
    told.workflow_id && "of one workflow",
    told.created_after && `since ${new Date(String(told.created_after)).toLocaleString("en-GB")}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
