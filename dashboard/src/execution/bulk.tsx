/** One decision about all executions that the list shows, after a look at how many they are. */
import { useEffect, useState } from "react";
import { command } from "../api/rest";
import { CommandDialog } from "../parts/command-dialog";
import { countText } from "../parts/money";
import { useMay } from "../session/permissions";

interface Filter {
  status: readonly string[] | null;
  workflowId?: string | null;
  createdAfter: string | null;
}
type Kind = "cancel" | "retry";
const TITLES: Record<Kind, string> = { cancel: "Cancel all of these", retry: "Retry all of these" };

/** isWhole: the filter is one that a bulk operation knows. */
export function BulkActions({
  filter,
  isWhole,
  again,
}: {
  filter: Filter;
  isWhole: boolean;
  again: () => void;
}) {
  const may = useMay();
  const [open, setOpen] = useState<Kind | null>(null);
  const states = filter.status ?? [];
  const offered: Kind[] = [];
  if (states.some((state) => ["FAILED", "CANCELLED"].includes(state))) offered.push("retry");
  if (states.some((state) => ["PENDING", "RUNNING", "WAITING", "PAUSED"].includes(state))) {
    offered.push("cancel");
  }
  if (!isWhole || !may("executions:write")) return null;
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
  const [preview, setPreview] = useState<{ count: number; is_capped: boolean } | null>(null);
  const [refusal, setRefusal] = useState("");
  const path = `/executions/bulk/${kind}`;
  const wanted = {
    filter: {
      status: filter.status,
      ...(filter.workflowId && { workflow_id: filter.workflowId }),
      ...(filter.createdAfter && { created_after: filter.createdAfter }),
    },
  };
  const [asked] = useState(wanted);
  useEffect(() => {
    command<{ count: number; is_capped: boolean }>("POST", path, { ...asked, dry_run: true }).then(
      setPreview,
      (error: Error) => setRefusal(error.message),
    );
  }, [asked, path]);
  const many = preview && `${preview.is_capped ? "more than " : ""}${countText(preview.count)}`;
  const consequence =
    kind === "retry"
      ? "Each goes on from the nodes that failed; what is done again costs again."
      : "Each is stopped where it is; what was spent stays spent.";
  return (
    <CommandDialog
      title={TITLES[kind]}
      does={refusal || (many === null ? "Counting …" : `${many} executions. ${consequence}`)}
      verb={many === null ? "…" : `${kind === "retry" ? "Retry" : "Cancel"} ${many}`}
      isDanger={kind === "cancel"}
      path={path}
      body={preview === null || preview.count === 0 ? undefined : { ...asked, dry_run: false }}
      onDone={again}
      onClose={close}
    />
  );
}
