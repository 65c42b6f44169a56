/** Who asked for what, and what became of it: also what was refused, and stored nothing. */
import { useMemo } from "react";
import { graphql, useRead } from "../api/graphql";
import { Actor } from "../execution/history";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Problem } from "../parts/problem";
import { StatePill, type Tone } from "../parts/state-pill";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Time } from "../parts/time";
import { type Range } from "../parts/time-range";
import { useParam } from "../parts/url";

const ENTRIES = graphql(`
  query AuditEntries($filter: AuditFilter, $first: Int, $after: String) {
    auditEntries(filter: $filter, first: $first, after: $after) {
      edges { node { id at actor action target outcome code reason times address requestId } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const OUTCOMES = ["ALLOWED", "DENIED", "FAILED"] as const;
const TONES: Record<(typeof OUTCOMES)[number], Tone> = {
  ALLOWED: "good",
  DENIED: "bad",
  FAILED: "odd",
};

export function Entries({ range }: { range: Range }) {
  const [outcome, setOutcome] = useParam("outcome", ["after"]);
  const { after, pager } = usePages();
  const { from, to } = range;
  const filter = useMemo(
    () => ({ outcome: OUTCOMES.find((one) => one === outcome) ?? null, from, to }),
    [outcome, from, to],
  );
  const { data, error, isLoading, again } = useRead(ENTRIES, { filter, first: PAGE_SIZE, after });
  const rows = data?.auditEntries.edges.map((edge) => edge.node) ?? [];
  return (
    <Card isBare>
      <div className="card-head filters">
        <label className="field">
          <span>Outcome</span>
          <select
            className="input"
            value={outcome}
            onChange={(event) => setOutcome(event.target.value)}
          >
            <option value="">Any</option>
            {OUTCOMES.map((one) => (
              <option key={one} value={one}>
                {one.charAt(0) + one.slice(1).toLowerCase()}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && rows.length === 0 && <Empty title="Nobody asked for anything in this time">Choose a longer time.</Empty>}
      {rows.length > 0 && (
        <Table
          label="Access"
          rows={rows}
          keyOf={(row) => row.id}
          columns={[
            { head: "When", cell: (row) => <Time at={row.at} /> },
            { head: "Who", cell: (row) => <Actor actor={row.actor} /> },
            {
              head: "Asked for",
              className: "wide",
              cell: (row) => (
                <>
                  {row.action}
                  {row.times > 1 && <span className="tag">{row.times} times</span>}
                  {row.target && <div className="muted clipped">{row.target}</div>}
                </>
              ),
            },
            {
              head: "Outcome",
              cell: (row) => <StatePill state={row.outcome} tone={TONES[row.outcome]} />,
            },
            { head: "Why", cell: (row) => <span title={row.reason ?? ""}>{row.code ?? "–"}</span> },
            { head: "From", cell: (row) => row.address ?? "–" },
            { head: "Request", cell: (row) => <CopyId id={row.requestId} /> },
          ]}
        />
      )}
      {data && rows.length > 0 && pager(data.auditEntries.pageInfo)}
    </Card>
  );
}
