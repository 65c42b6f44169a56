import { useState } from "react";
import { useLocation } from "wouter";
import { JsonField } from "../execution/form";
import { CommandDialog } from "./command-dialog";

/** Starts a run of a workflow or of an agent, and shows it. */
export function RunDialog({
  title,
  does,
  path,
  example,
  version,
  onClose,
}: {
  title: string;
  does: string;
  path: string;
  example: unknown;
  version?: number;
  onClose: () => void;
}) {
  const [, navigate] = useLocation();
  const [input, setInput] = useState<unknown>(example);
  return (
    <CommandDialog
      title={title}
      does={does}
      verb="Run it"
      path={path}
      body={input === undefined ? undefined : { input, ...(version !== undefined && { version }) }}
      onDone={(data) => navigate(`/executions/${String(data.execution_id)}`)}
      onClose={onClose}
    >
      <JsonField label="Input (JSON)" initial={example} onChange={setInput} />
    </CommandDialog>
  );
}
