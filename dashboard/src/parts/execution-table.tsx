import { type FragmentOf, readFragment } from "gql.tada";
import { graphql } from "../api/graphql";
import { CopyId } from "./copy-id";
import { compactText, Money } from "./money";
import { isOpen, StatePill } from "./state-pill";
import { type Column, Table } from "./table";
import { Duration, Time } from "./time";

export const RUN_ROW = graphql(`
  fragment RunRow on Execution {
    id status createdAt durationMs costUsd hasUnpriced tokensIn tokensOut error
    workflow { id name }
    agent { id name }
  }
`);
type Run = ReturnType<typeof readRow>;

function readRow(row: FragmentOf<typeof RUN_ROW>) {
  return readFragment(RUN_ROW, row);
}

/** What ran, in the words of who made it. */
export function nameOf(run: { workflow: { name: string } | null; agent: { name: string } | null }) {
  return run.workflow?.name ?? run.agent?.name ?? "deleted";
}

export function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : "";
}

const COLUMNS: Column<Run>[] = [
  { head: "Execution", cell: (run) => <CopyId id={run.id} to={`/executions/${run.id}`} /> },
  { head: "Status", cell: (run) => <StatePill state={run.status} /> },
  {
    head: "Workflow or agent",
    className: "wide",
    cell: (run) => (
      <>
        {nameOf(run)}
        {messageOf(run.error) && (
          <div className="muted clipped" title={messageOf(run.error)}>
            {messageOf(run.error)}
          </div>
        )}
      </>
    ),
  },
  { head: "Started", cell: (run) => <Time at={run.createdAt} /> },
  { head: "Duration", className: "right", cell: (run) => <Duration ms={run.durationMs} since={isOpen(run.status) ? run.createdAt : null} /> },
  {
    head: "Tokens",
    className: "right",
    cell: (run) => compactText(run.tokensIn + run.tokensOut),
  },
  {
    head: "Cost",
    className: "right",
    cell: (run) => <Money digits={6} usd={run.costUsd} hasUnpriced={run.hasUnpriced} />,
  },
];

export function ExecutionTable({
  label,
  rows,
  isStale = false,
}: {
  label: string;
  rows: readonly FragmentOf<typeof RUN_ROW>[];
  isStale?: boolean;
}) {
  return (
    <Table
      label={label}
      columns={COLUMNS}
      rows={rows.map(readRow)}
      keyOf={(run) => run.id}
      to={(run) => `/executions/${run.id}`}
      isStale={isStale}
    />
  );
}
