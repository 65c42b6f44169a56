/** One decision about all executions that the list shows, after a look at how many they are. */
import { useEffect, useState } from "react";
import { graphql, useRead } from "../api/graphql";
import { command } from "../api/rest";
import { CommandDialog } from "../parts/command-dialog";
import { Choice, Line } from "../parts/fields";
import { countText } from "../parts/money";
import { useMayAll } from "../session/permissions";
import { definitionOf } from "./definition";

interface Filter {
  status: readonly string[] | null;
  workflowId?: string | null;
  createdAfter: string | null;
}
type Kind = "cancel" | "retry" | "fork";
const TITLES: Record<Kind, string> = {
  cancel: "Cancel all of these",
  retry: "Retry all of these",
  fork: "Fork all of these",
};
const DOES: Record<Kind, string> = {
  cancel: "Each is stopped where it is; what was spent stays spent.",
  retry: "Each goes on from the nodes that failed; what is done again costs again.",
  fork: "Each begins again as a new one, which has what was done before the node. What is done again costs again.",
};
const VERBS: Record<Kind, string> = { cancel: "Cancel", retry: "Retry", fork: "Fork" };
/** What each can be done to. */
const STATES: Record<Kind, readonly string[]> = {
  cancel: ["PENDING", "RUNNING", "WAITING", "PAUSED"],
  retry: ["FAILED", "CANCELLED"],
  fork: ["COMPLETED", "FAILED", "COMPENSATED", "CANCELLED"],
};

/** isWhole: the filter is one that a bulk operation knows, and leaves something out. */
export function BulkActions({
  filter,
  isWhole,
  again,
}: {
  filter: Filter;
  isWhole: boolean;
  again: () => void;
}) {
  const mayAll = useMayAll();
  const [open, setOpen] = useState<Kind | null>(null);
  // Nodes are of one workflow.
  const kinds: Kind[] = filter.workflowId ? ["retry", "fork", "cancel"] : ["retry", "cancel"];
  const offered = kinds.filter((kind) => statesOf(kind, filter).length > 0);
  if (!isWhole || !mayAll("executions:write")) return null;
  return (
    <div className="buttons">
      {offered.map((kind) => (
        <button key={kind} type="button" className="button" onClick={() => setOpen(kind)}>
          {TITLES[kind]} …
        </button>
      ))}
      {open && <Ask kind={open} filter={filter} again={again} close={() => setOpen(null)} />}
    </div>
  );
}

/** Those of the filter that it can be done to. */
function statesOf(kind: Kind, filter: Filter): readonly string[] {
  return filter.status === null
    ? STATES[kind]
    : STATES[kind].filter((state) => filter.status?.includes(state));
}

interface Preview {
  count: number;
  is_capped: boolean;
}

/** How many executions it would be. */
function usePreview(path: string, filter: unknown, given: unknown) {
  const [preview, setPreview] = useState<Preview | null>(null);
  const [refusal, setRefusal] = useState("");
  // What it is about does not move while somebody decides.
  const [asked] = useState({ filter, given });
  useEffect(() => {
    const body = { filter: asked.filter, ...(asked.given as object), dry_run: true };
    command<Preview>("POST", path, body).then(setPreview, (error: Error) =>
      setRefusal(error.message),
    );
  }, [asked, path]);
  return { preview, refusal, filter: asked.filter };
}

function Ask({
  kind,
  filter,
  again,
  close,
}: {
  kind: Kind;
  filter: Filter;
  again: () => void;
  close: () => void;
}) {
  const [reason, setReason] = useState("");
  const [from, setFrom] = useState("");
  const path = `/executions/bulk/${kind}`;
  const read = usePreview(
    path,
    {
      status: statesOf(kind, filter),
      ...(filter.workflowId && { workflow_id: filter.workflowId }),
      ...(filter.createdAfter && { created_after: filter.createdAfter }),
    },
    kind === "fork" ? { from_node: "start" } : {},
  );
  const { preview, refusal } = read;
  const many = preview && `${preview.is_capped ? "more than " : ""}${countText(preview.count)}`;
  const parameters: Record<Kind, object> = {
    cancel: { reason: reason === "" ? null : reason },
    retry: {},
    fork: { from_node: from },
  };
  const isReady = preview !== null && preview.count > 0 && (kind !== "fork" || from !== "");
  return (
    <CommandDialog
      title={TITLES[kind]}
      does={refusal || (many === null ? "Counting …" : `${many} executions. ${DOES[kind]}`)}
      verb={preview === null ? "…" : `${VERBS[kind]} ${countText(preview.count)}`}
      isDanger={kind === "cancel"}
      path={path}
      body={
        // No more than was said, and so it is known how far it has come.
        isReady
          ? { filter: read.filter, ...parameters[kind], dry_run: false, limit: preview.count }
          : undefined
      }
      onDone={again}
      onClose={close}
    >
      {kind === "cancel" && (
        <Line label="Reason, for the record" value={reason} onChange={setReason} />
      )}
      {kind === "fork" && filter.workflowId && (
        <FromNode workflowId={filter.workflowId} value={from} onChange={setFrom} />
      )}
    </CommandDialog>
  );
}

const NODES = graphql(`
  query NodesOf($id: ID!) {
    workflow(id: $id) { versions(first: 1) { definition } }
  }
`);

/** Of the newest version. Those of older ones that have no such node are refused, and counted. */
function FromNode({
  workflowId,
  value,
  onChange,
}: {
  workflowId: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const { data } = useRead(NODES, { id: workflowId });
  const nodes = definitionOf(data?.workflow?.versions[0]?.definition)?.nodes ?? [];
  const choices = Object.fromEntries(nodes.map(({ id, type }) => [id, `${id} (${type})`]));
  return (
    <Choice
      label="From the node"
      value={value}
      onChange={onChange}
      of={{ "": "Choose one", ...choices }}
    />
  );
}
