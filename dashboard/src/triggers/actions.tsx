import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import type { Trigger } from "./table";

export type Kind = "fire" | "pause" | "resume";

const ASKED: Record<Kind, { title: string; verb: string; does: string }> = {
  fire: {
    title: "Fire now",
    verb: "Fire it",
    does: "Begins a run at once, whatever else runs. Its schedule goes on as before.",
  },
  pause: {
    title: "Pause",
    verb: "Pause it",
    does: "It begins no more runs until it is resumed. Runs that it began go on.",
  },
  resume: {
    title: "Resume",
    verb: "Resume it",
    does: "It begins runs again. What would have run meanwhile is not made up for.",
  },
};

export function Asked({
  kind,
  trigger,
  again,
  close,
}: {
  kind: Kind;
  trigger: Trigger;
  again: () => void;
  close: () => void;
}) {
  const [note, setNote] = useState("");
  const { title, verb, does } = ASKED[kind];
  return (
    <CommandDialog
      title={`${title}: ${trigger.name}`}
      does={does}
      verb={verb}
      path={`/triggers/${trigger.id}/${kind}`}
      body={kind === "fire" ? {} : { note: note === "" ? null : note }}
      onDone={again}
      onClose={close}
    >
      {kind !== "fire" && (
        <label className="field">
          <span>Note, for whoever looks at it next</span>
          <input className="input" value={note} onChange={(event) => setNote(event.target.value)} />
        </label>
      )}
    </CommandDialog>
  );
}
