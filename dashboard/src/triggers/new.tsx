import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import { CopyButton } from "../parts/copy-id";
import { Dialog } from "../parts/dialog";
import { Choice, Line } from "../parts/fields";

type When = "cron" | "every" | "webhook";

const OVERLAPS = {
  skip: "Leave the new one out",
  buffer_one: "Begin one when it has ended",
  allow_all: "Let them run beside each other",
  cancel_other: "Cancel the one that is open",
};

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
  const [name, setName] = useState("");
  const [when, setWhen] = useState<When>("cron");
  const [cron, setCron] = useState("0 9 * * MON-FRI");
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [everyS, setEveryS] = useState("3600");
  const [overlap, setOverlap] = useState("skip");
  const [failures, setFailures] = useState("");
  const [webhook, setWebhook] = useState<string | null>(null);
  if (webhook !== null) return <Webhook path={webhook} onClose={onClose} />;
  const schedule = when === "cron" ? { cron, time_zone: zone } : { every_s: Number(everyS) };
  const body = {
    name,
    ...(when === "webhook" ? { webhook: {} } : { schedule }),
    policy: {
      ...(when !== "webhook" && { overlap }),
      ...(failures !== "" && { pause_after_failures: Number(failures) }),
    },
  };
  let address: string | null = null;
  return (
    <CommandDialog
      title="New trigger"
      does="Runs begin by themselves, on your behalf, with what you may do then. What they cost is counted as yours."
      verb="Make it"
      path={`/workflows/${workflowId}/triggers`}
      body={name === "" ? undefined : body}
      onDone={(data) => {
        address = typeof data.webhook_path === "string" ? data.webhook_path : null;
        onDone();
      }}
      onClose={() => (address === null ? onClose() : setWebhook(address))}
    >
      <Line label="Name" value={name} onChange={setName} />
      <Choice
        label="When"
        value={when}
        onChange={(value) => setWhen(value as When)}
        of={{
          cron: "At times of the clock",
          every: "Every so many seconds",
          webhook: "When its webhook is sent something",
        }}
      />
      {when === "cron" && (
        <>
          <Line
            label="Minute, hour, day of month, month, day of week (cron)"
            value={cron}
            onChange={setCron}
          />
          <Line label="Time zone" value={zone} onChange={setZone} />
        </>
      )}
      {when === "every" && <Line label="Seconds" value={everyS} onChange={setEveryS} type="number" />}
      {when !== "webhook" && (
        <Choice
          label="When its last run is still open"
          value={overlap}
          onChange={setOverlap}
          of={OVERLAPS}
        />
      )}
      <Line
        label="Pause after so many failures in a row (never, without a number)"
        value={failures}
        onChange={setFailures}
        type="number"
      />
    </CommandDialog>
  );
}

function Webhook({ path, onClose }: { path: string; onClose: () => void }) {
  const address = location.origin + path;
  return (
    <Dialog title="Its webhook" onClose={onClose}>
      <p className="muted">
        Whoever knows this address can begin runs with it. It is not shown again; another one is made by
        rotating it.
      </p>
      <div className="command">
        <pre tabIndex={0} aria-label="Address of the webhook">
          {address}
        </pre>
        <span className="id">
          <CopyButton text={address} label="address" />
        </span>
      </div>
      <div className="buttons">
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
