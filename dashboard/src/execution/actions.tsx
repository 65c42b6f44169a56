/** What can be done with a run now, by who looks at it. Each says what it will do before it does. */
import { useState } from "react";
import { useLocation } from "wouter";
import { CommandDialog } from "../parts/command-dialog";
import { useMay } from "../session/permissions";
import { JsonField } from "./form";
import { isOver, type Run, useDefinition } from "./read";

type Kind = "cancel" | "pause" | "resume" | "retry" | "compensate" | "fork" | "resolve" | "signal";

interface Action {
  label: string;
  scope: string;
  isOffered: (run: Run) => boolean;
  isDanger?: boolean;
}
const isUndoing = (run: Run) => run.status === "COMPENSATING";
const ACTIONS: Record<Kind, Action> = {
  resolve: {
    label: "Resolve",
    scope: "executions:write",
    isOffered: (run) => run.status === "NEEDS_ATTENTION",
  },
  resume: { label: "Resume", scope: "executions:write", isOffered: (run) => run.status === "PAUSED" },
  retry: {
    label: "Retry",
    scope: "executions:write",
    isOffered: (run) => ["FAILED", "CANCELLED"].includes(run.status) && !run.payloadsRemovedAt,
  },
  signal: {
    label: "Signal",
    scope: "executions:signal",
    isOffered: (run) => run.nodes.some((node) => node.type === "signal" && node.status === "WAITING"),
  },
  pause: {
    label: "Pause",
    scope: "executions:write",
    isOffered: (run) => ["PENDING", "RUNNING", "WAITING"].includes(run.status),
  },
  fork: {
    label: "Fork",
    scope: "executions:write",
    isOffered: (run) => run.nodes.length > 0 && !run.payloadsRemovedAt && !run.erasedAt,
  },
  compensate: {
    label: "Undo",
    scope: "executions:write",
    isOffered: (run) => ["COMPLETED", "FAILED", "CANCELLED"].includes(run.status),
  },
  cancel: {
    label: "Cancel",
    scope: "executions:write",
    isOffered: (run) => !isOver(run) && !isUndoing(run),
    isDanger: true,
  },
};

export function Actions({ run, again }: { run: Run; again: () => void }) {
  const may = useMay();
  const [open, setOpen] = useState<Kind | null>(null);
  const definition = useDefinition(run);
  const offered = (Object.keys(ACTIONS) as Kind[]).filter(
    (kind) =>
      may(ACTIONS[kind].scope) &&
      ACTIONS[kind].isOffered(run) &&
      (kind !== "compensate" || canBeUndone(definition)),
  );
  const close = () => setOpen(null);
  return (
    <div className="buttons">
      {offered.map((kind) => (
        <button
          key={kind}
          type="button"
          className={ACTIONS[kind].isDanger ? "button danger" : "button"}
          onClick={() => setOpen(kind)}
        >
          {ACTIONS[kind].label}
        </button>
      ))}
      {open !== null && <Asked kind={open} run={run} again={again} close={close} />}
    </div>
  );
}

/** Whether any node says how it is undone. */
function canBeUndone(definition: unknown): boolean {
  return JSON.stringify(definition ?? null).includes('"compensate":');
}

interface Asking {
  run: Run;
  again: () => void;
  close: () => void;
}

function Asked({ kind, ...asking }: Asking & { kind: Kind }) {
  switch (kind) {
    case "cancel":
      return <Cancel {...asking} />;
    case "fork":
      return <Fork {...asking} />;
    case "resolve":
      return <Resolve {...asking} />;
    case "signal":
      return <Signal {...asking} />;
    default:
      return <Plain kind={kind} {...asking} />;
  }
}

function Plain({ kind, run, again, close }: Asking & { kind: "pause" | "resume" | "retry" | "compensate" }) {
  const failed = run.nodes.filter((node) => node.status === "FAILED").map((node) => node.path);
  const done = run.nodes.filter((node) => node.status === "COMPLETED").length;
  const does = {
    pause: "Nothing new begins; what is under way goes on to its end. Resuming goes on from there.",
    resume: "Goes on where it was paused.",
    retry: `Tries again from ${failed.join(", ") || "where it was stopped"}. ${done} nodes that are done are not done again; what is done again costs again.`,
    compensate: "Undoes what its nodes did, in reverse order, by the steps that their definitions name.",
  }[kind];
  return (
    <CommandDialog
      title={{ pause: "Pause", resume: "Resume", retry: "Retry", compensate: "Undo" }[kind]}
      does={does}
      verb={{ pause: "Pause it", resume: "Resume it", retry: "Try again", compensate: "Undo it" }[kind]}
      isDanger={kind === "compensate"}
      path={`/executions/${run.id}/${kind}`}
      body={{}}
      onDone={again}
      onClose={close}
    />
  );
}

function Cancel({ run, again, close }: Asking) {
  const [reason, setReason] = useState("");
  const [mustUndo, setMustUndo] = useState(false);
  const going = run.nodes.filter((node) => ["RUNNING", "WAITING"].includes(node.status)).length;
  return (
    <CommandDialog
      title="Cancel"
      does={`Ends it now: ${going === 1 ? "1 node is" : `${going} nodes are`} stopped. What was spent stays spent.`}
      verb="Cancel it"
      isDanger
      path={`/executions/${run.id}/cancel`}
      body={{ reason: reason === "" ? null : reason, compensate: mustUndo }}
      onDone={again}
      onClose={close}
    >
      <label className="field">
        <span>Reason, for the record</span>
        <input className="input" value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <label className="row">
        <input
          type="checkbox"
          checked={mustUndo}
          onChange={(event) => setMustUndo(event.target.checked)}
        />
        Undo what it did, where its definition says how
      </label>
    </CommandDialog>
  );
}

function Fork({ run, close }: Asking) {
  const [, navigate] = useLocation();
  const outer = run.nodes.filter((node) => !node.path.includes("/") && !node.path.includes("["));
  const [from, setFrom] = useState(outer[0]?.id ?? "");
  const [input, setInput] = useState<unknown>(run.input);
  const before = outer.findIndex((node) => node.id === from);
  return (
    <CommandDialog
      title="Fork"
      does={`A new execution that has what was done before ${from} (${before} ${before === 1 ? "node" : "nodes"}) and does the rest again, which costs again. This one stays as it is.`}
      verb="Fork it"
      path={`/executions/${run.id}/fork`}
      body={input === undefined ? undefined : { from_node: from, input }}
      onDone={(data) => navigate(`/executions/${String(data.execution_id)}`)}
      onClose={close}
    >
      <NodeChoice nodes={outer.map((node) => node.id)} value={from} onChange={setFrom} label="From" />
      <JsonField label="Input (JSON)" initial={run.input} onChange={setInput} />
    </CommandDialog>
  );
}

function Resolve({ run, again, close }: Asking) {
  const paths = ((run.error as { paths?: string[] } | null)?.paths ?? []).filter(Boolean);
  const [path, setPath] = useState(paths[0] ?? "");
  const [outcome, setOutcome] = useState("done");
  const [output, setOutput] = useState<unknown>(null);
  const body =
    output === undefined || path === ""
      ? undefined
      : { node_id: path, outcome, ...(outcome === "done" && { output }) };
  return (
    <CommandDialog
      title="Resolve"
      does="Nobody knows what this node did before its worker went away. You looked: say what is true."
      verb="Resolve it"
      path={`/executions/${run.id}/resolve`}
      body={body}
      onDone={again}
      onClose={close}
    >
      <NodeChoice nodes={paths} value={path} onChange={setPath} label="Node" />
      <label className="field">
        <span>What became of it</span>
        <select className="input" value={outcome} onChange={(event) => setOutcome(event.target.value)}>
          <option value="done">It was done, and this is its output</option>
          <option value="retry">It was not done: try again</option>
          <option value="skip">Leave it out</option>
        </select>
      </label>
      {outcome === "done" && <JsonField label="Output (JSON)" initial={null} onChange={setOutput} />}
    </CommandDialog>
  );
}

function Signal({ run, again, close }: Asking) {
  const waiting = run.nodes.find((node) => node.type === "signal" && node.status === "WAITING");
  const name = (waiting?.input as { name?: string } | null)?.name ?? "";
  const [given, setGiven] = useState(name);
  const [payload, setPayload] = useState<unknown>({});
  return (
    <CommandDialog
      title="Signal"
      does={`The node ${waiting?.path ?? ""} waits for it, and goes on with the payload as its output.`}
      verb="Send it"
      path={`/executions/${run.id}/signals/${encodeURIComponent(given)}`}
      body={payload === undefined || given === "" ? undefined : { payload }}
      onDone={again}
      onClose={close}
    >
      <label className="field">
        <span>Name</span>
        <input className="input" value={given} onChange={(event) => setGiven(event.target.value)} />
      </label>
      <JsonField label="Payload (JSON)" initial={{}} onChange={setPayload} />
    </CommandDialog>
  );
}

function NodeChoice({
  nodes,
  value,
  onChange,
  label,
}: {
  nodes: readonly string[];
  value: string;
  onChange: (value: string) => void;
  label: string;
}) {
  return (
    <label className="field">
      <span>{label}</span>
      <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
        {nodes.map((node) => (
          <option key={node}>{node}</option>
        ))}
      </select>
    </label>
  );
}
