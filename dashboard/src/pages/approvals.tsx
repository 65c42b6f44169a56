import { useRef } from "react";
import { Link } from "wouter";
import { type ApprovalRow, useApprovals } from "../approvals/read";
import { Approval } from "../execution/approval";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Table, usePages } from "../parts/table";
import { Time } from "../parts/time";
import { useParam } from "../parts/url";

const WHOSE = { "": "For you", all: "All that wait" } as const;

/** What waits for a decision, and beside the list the one that is open: the first, unless another
 * one was chosen, so that one after the other can be decided.
 */
export default function Approvals() {
  const [given, setWhose] = useParam("whose", ["after", "open"]);
  const whose = given === "all" ? "all" : "";
  const [chosen, setChosen] = useParam("open");
  const { after, pager } = usePages();
  const { data, error, isLoading, again } = useApprovals(whose === "", after);
  const rows = data?.approvals.edges.map((edge) => edge.node) ?? [];
  const inbox = useRef<HTMLDivElement>(null);
  const open = rows.find((row) => keyOf(row) === chosen) ?? rows[0];
  return (
    <Page
      title="Approvals"
      actions={
        <div className="segmented" role="group" aria-label="Whose">
          {Object.entries(WHOSE).map(([value, label]) => (
            <button
              key={value}
              type="button"
              aria-pressed={value === whose}
              onClick={() => setWhose(value)}
            >
              {label}
            </button>
          ))}
        </div>
      }
    >
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && open === undefined && (
        <Card>
          <Nothing whose={whose} />
        </Card>
      )}
      {data && open !== undefined && (
        <div className="run inbox" ref={inbox} tabIndex={-1}>
          <Card title="Waiting" isBare>
            <Rows rows={rows} open={open} onOpen={(row) => setChosen(keyOf(row))} />
            {pager(data.approvals.pageInfo)}
          </Card>
          <Open
            key={keyOf(open)}
            row={open}
            again={() => {
              setChosen("");
              // What had the focus goes with what was decided; the next one begins here.
              inbox.current?.focus();
              again();
            }}
          />
        </div>
      )}
    </Page>
  );
}

function keyOf(row: ApprovalRow): string {
  return `${row.executionId}/${row.path}`;
}

function Nothing({ whose }: { whose: keyof typeof WHOSE }) {
  return (
    <Empty title={whose === "" ? "Nothing waits for you" : "Nothing waits for a decision"}>
      A workflow with a node of the type <code>approval</code> asks here, and goes on when somebody
      has decided.
    </Empty>
  );
}

function Rows({
  rows,
  open,
  onOpen,
}: {
  rows: readonly ApprovalRow[];
  open: ApprovalRow;
  onOpen: (row: ApprovalRow) => void;
}) {
  return (
    <Table
      label="Approvals that wait"
      rows={rows}
      keyOf={keyOf}
      columns={[
        {
          head: "Question",
          className: "wide",
          cell: (row) => (
            <button
              type="button"
              className="button link"
              aria-pressed={row === open}
              onClick={() => onOpen(row)}
            >
              {row.title}
            </button>
          ),
        },
        { head: "Workflow", cell: (row) => row.execution?.workflow?.name ?? "–" },
        { head: "Asked", cell: (row) => <Time at={row.askedAt} /> },
        { head: "Until", cell: (row) => (row.deadlineAt ? <Time at={row.deadlineAt} /> : "–") },
      ]}
    />
  );
}

const AT_DEADLINE: Record<string, string> = {
  approve: "approved",
  reject: "rejected",
  fail: "a failure",
};

function Open({ row, again }: { row: ApprovalRow; again: () => void }) {
  const { executionId, path, title, assignees, formSchema: schema } = row;
  const run = row.execution;
  return (
    <Approval
      waiting={{ executionId, path, title, schema, assignees }}
      isForMe={row.isForMe}
      again={again}
    >
      <dl className="facts">
        <div>
          <dt>Execution</dt>
          <dd>
            {run ? (
              <CopyId id={executionId} to={`/executions/${executionId}?node=${encodeURIComponent(path)}`} />
            ) : (
              <CopyId id={executionId} />
            )}
          </dd>
        </div>
        {run?.workflow && (
          <div>
            <dt>Workflow</dt>
            <dd>
              <Link href={`/workflows/${run.workflow.id}`}>{run.workflow.name}</Link>
            </dd>
          </div>
        )}
        <div>
          <dt>Asked</dt>
          <dd>
            <Time at={row.askedAt} />
          </dd>
        </div>
        {row.deadlineAt && (
          <div>
            <dt>Then it is {AT_DEADLINE[row.onTimeout] ?? row.onTimeout}</dt>
            <dd>
              <Time at={row.deadlineAt} />
            </dd>
          </div>
        )}
      </dl>
    </Approval>
  );
}
