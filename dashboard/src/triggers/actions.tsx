/** What can be done with a trigger. Each says what it will do before it does. */
import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import { Dialog } from "../parts/dialog";
import { Line } from "../parts/fields";
import { Address } from "./address";
import { bodyOf, draftOf, TriggerFields } from "./form";
import type { Trigger } from "./table";

export type Kind = "fire" | "pause" | "resume" | "more" | "change" | "backfill" | "rotate" | "delete";

export const LABELS: Record<Kind, string> = {
  fire: "Fire now",
  pause: "Pause",
  resume: "Resume",
  more: "More",
  change: "Change",
  backfill: "Make up for a period",
  rotate: "Give it another address",
  delete: "Delete",
};

interface Asking {
  trigger: Trigger;
  again: () => void;
  close: () => void;
}

export function Asked({
  kind,
  to,
  ...asking
}: Asking & { kind: Kind; to: (kind: Kind) => void }) {
  switch (kind) {
    case "more":
      return <More {...asking} to={to} />;
    case "change":
      return <Change {...asking} />;
    case "backfill":
      return <Backfill {...asking} />;
    case "rotate":
      return <Rotate {...asking} />;
    case "delete":
      return <Delete {...asking} />;
    default:
      return <Plain kind={kind} {...asking} />;
  }
}

/** What is done seldom. */
function More({ trigger, close, to }: Asking & { to: (kind: Kind) => void }) {
  const kinds: Kind[] = ["change", trigger.kind === "schedule" ? "backfill" : "rotate", "delete"];
  return (
    <Dialog title={trigger.name} onClose={close}>
      <div className="stack-small">
        {kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            className={kind === "delete" ? "button danger" : "button"}
            onClick={() => to(kind)}
          >
            {LABELS[kind]} …
          </button>
        ))}
      </div>
      <div className="buttons">
        <button type="button" className="button" onClick={close}>
          Leave it
        </button>
      </div>
    </Dialog>
  );
}

const ASKED = {
  fire: {
    verb: "Fire it",
    does: "Begins a run at once, whatever else runs. Its schedule goes on as before.",
  },
  pause: {
    verb: "Pause it",
    does: "It begins no more runs until it is resumed. Runs that it began go on.",
  },
  resume: {
    verb: "Resume it",
    does: "It begins runs again. What would have run meanwhile is not made up for.",
  },
};

function Plain({ kind, trigger, again, close }: Asking & { kind: keyof typeof ASKED }) {
  const [note, setNote] = useState("");
  const { verb, does } = ASKED[kind];
  return (
    <CommandDialog
      title={`${LABELS[kind]}: ${trigger.name}`}
      does={does}
      verb={verb}
      path={`/triggers/${trigger.id}/${kind}`}
      body={kind === "fire" ? {} : { note: note === "" ? null : note }}
      onDone={again}
      onClose={close}
    >
      {kind !== "fire" && (
        <Line label="Note, for whoever looks at it next" value={note} onChange={setNote} />
      )}
    </CommandDialog>
  );
}

function Change({ trigger, again, close }: Asking) {
  const [draft, setDraft] = useState(() => draftOf(trigger));
  return (
    <CommandDialog
      title={`Change ${trigger.name}`}
      does="Times of another schedule count from now on. Runs that it began go on as they are."
      verb="Change it"
      method="PATCH"
      path={`/triggers/${trigger.id}`}
      body={bodyOf(draft)}
      onDone={again}
      onClose={close}
    >
      <TriggerFields draft={draft} set={setDraft} isNew={false} />
    </CommandDialog>
  );
}

function Backfill({ trigger, again, close }: Asking) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  return (
    <CommandDialog
      title={`Make up for a period: ${trigger.name}`}
      does="Begins a run for each of its times after the first moment and up to the second, which has passed; 1,000 at most. What they cost is counted as yours."
      verb="Begin them"
      path={`/triggers/${trigger.id}/backfill`}
      body={from === "" || to === "" ? undefined : { from: instantOf(from), to: instantOf(to) }}
      onDone={again}
      onClose={close}
    >
      <Line label="After (your time)" type="datetime-local" value={from} onChange={setFrom} />
      <Line label="Up to (your time)" type="datetime-local" value={to} onChange={setTo} />
    </CommandDialog>
  );
}

function instantOf(local: string): string {
  return new Date(local).toISOString();
}

function Rotate({ trigger, again, close }: Asking) {
  const [path, setPath] = useState<string | null>(null);
  if (path !== null) return <Address path={path} onClose={close} />;
  let given: string | null = null;
  return (
    <CommandDialog
      title={`Give it another address: ${trigger.name}`}
      does="The address that it has is void at once: whoever sends to it begins nothing any more, until they are told the new one."
      verb="Rotate it"
      isDanger
      path={`/triggers/${trigger.id}/rotate`}
      body={null}
      onDone={(data) => {
        given = String(data.webhook_path);
        again();
      }}
      onClose={() => (given === null ? close() : setPath(given))}
    />
  );
}

function Delete({ trigger, again, close }: Asking) {
  return (
    <CommandDialog
      title={`Delete ${trigger.name}`}
      does="It begins no more runs, and does not come back. Runs that it began go on, and stay."
      verb="Delete it"
      isDanger
      method="DELETE"
      path={`/triggers/${trigger.id}`}
      body={null}
      onDone={again}
      onClose={close}
    />
  );
}
