import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import { Address } from "./address";
import { bodyOf, newDraft, TriggerFields } from "./form";

/** What begins runs of a workflow by itself. Of a webhook it shows the address, which nobody is told
 * again.
 */
export function NewTrigger({
  workflowId,
  onDone,
  onClose,
}: {
  workflowId: string;
  onDone: () => void;
  onClose: () => void;
}) {
  const [draft, setDraft] = useState(newDraft);
  const [webhook, setWebhook] = useState<string | null>(null);
  if (webhook !== null) return <Address path={webhook} onClose={onClose} />;
  let address: string | null = null;
  return (
    <CommandDialog
      title="New trigger"
      does="Runs begin by themselves, on your behalf, with what you may do then. What they cost is counted as yours."
      verb="Make it"
      path={`/workflows/${workflowId}/triggers`}
      body={bodyOf(draft)}
      onDone={(data) => {
        address = typeof data.webhook_path === "string" ? data.webhook_path : null;
        onDone();
      }}
      onClose={() => (address === null ? onClose() : setWebhook(address))}
    >
      <TriggerFields draft={draft} set={setDraft} isNew />
    </CommandDialog>
  );
}
