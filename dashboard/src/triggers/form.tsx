/** What a trigger is, as somebody fills it in. */
import { JsonField } from "../execution/form";
import { Choice, Line } from "../parts/fields";
import type { Trigger } from "./table";

type When = "cron" | "every" | "webhook";
interface Schedule {
  cron?: string;
  time_zone?: string;
  every_s?: number;
}
interface Policy {
  overlap?: string;
  pause_after_failures?: number | null;
}
interface Webhook {
  signature?: { scheme: string; secret: string } | null;
}

export interface Draft {
  name: string;
  /** Of the workflow; "" runs the newest. */
  version: string;
  when: When;
  cron: string;
  zone: string;
  everyS: string;
  /** When it begins and ends, and how much later it may be: what is not asked for stays. */
  bounds: object;
  scheme: string;
  secret: string;
  overlap: string;
  failures: string;
  /** undefined: it is no JSON yet. */
  input: unknown;
}

const OVERLAPS = {
  skip: "Leave the new one out",
  buffer_one: "Begin one when it has ended",
  allow_all: "Let them run beside each other",
  cancel_other: "Cancel the one that is open",
};
const SCHEMES = {
  "": "Believe whoever knows the address",
  standard: "Standard Webhooks",
  github: "GitHub",
  stripe: "Stripe",
};

export function newDraft(): Draft {
  return {
    name: "",
    version: "",
    when: "cron",
    cron: "0 9 * * MON-FRI",
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    everyS: "3600",
    bounds: {},
    scheme: "",
    secret: "",
    overlap: "skip",
    failures: "",
    input: null,
  };
}

export function draftOf(trigger: Trigger): Draft {
  const draft = newDraft();
  const { cron, time_zone, every_s, ...bounds } = (trigger.schedule ?? {}) as Schedule;
  const { overlap, pause_after_failures: failures } = trigger.policy as Policy;
  const signature = (trigger.webhook as Webhook | null)?.signature;
  return {
    ...draft,
    name: trigger.name,
    version: trigger.workflowVersion?.toString() ?? "",
    when: trigger.kind === "webhook" ? "webhook" : every_s === undefined ? "cron" : "every",
    cron: cron ?? draft.cron,
    zone: time_zone ?? (cron === undefined ? draft.zone : "UTC"),
    everyS: every_s?.toString() ?? draft.everyS,
    bounds,
    scheme: signature?.scheme ?? "",
    secret: signature?.secret ?? "",
    overlap: overlap ?? draft.overlap,
    failures: failures?.toString() ?? "",
    input: trigger.input,
  };
}

/** As REST takes it, new and changed; undefined while something is missing. */
export function bodyOf(draft: Draft): object | undefined {
  const { when, scheme, secret, failures, overlap } = draft;
  if (draft.name === "" || draft.input === undefined) return undefined;
  if (when === "webhook" && scheme !== "" && secret === "") return undefined;
  const policy = { pause_after_failures: failures === "" ? null : Number(failures) };
  const version = draft.version === "" ? null : Number(draft.version);
  const shared = { name: draft.name, version, input: draft.input };
  if (when === "webhook") {
    return { ...shared, policy, webhook: scheme === "" ? {} : { signature: { scheme, secret } } };
  }
  return { ...shared, policy: { ...policy, overlap }, schedule: scheduleOf(draft) };
}

function scheduleOf({ when, cron, zone, everyS, bounds }: Draft): object {
  if (when === "every") return { ...bounds, every_s: Number(everyS) };
  const { phase_s: _, ...others } = bounds as { phase_s?: number };
  return { ...others, cron, time_zone: zone };
}

/** isNew: what kind it is can be chosen still. */
export function TriggerFields({
  draft,
  set,
  isNew,
}: {
  draft: Draft;
  set: (draft: Draft) => void;
  isNew: boolean;
}) {
  const to = (part: keyof Draft) => (value: string) => set({ ...draft, [part]: value });
  const times = { cron: "At times of the clock", every: "Every so many seconds" };
  const kinds = isNew ? { ...times, webhook: "When its webhook is sent something" } : times;
  return (
    <>
      <Line label="Name" value={draft.name} onChange={to("name")} />
      {(isNew || draft.when !== "webhook") && (
        <Choice label="When" value={draft.when} onChange={to("when")} of={kinds} />
      )}
      {draft.when === "cron" && (
        <>
          <Line
            label="Minute, hour, day of month, month, day of week (cron)"
            value={draft.cron}
            onChange={to("cron")}
          />
          <Line label="Time zone" value={draft.zone} onChange={to("zone")} />
        </>
      )}
      {draft.when === "every" && (
        <Line label="Seconds" value={draft.everyS} onChange={to("everyS")} type="number" />
      )}
      {draft.when === "webhook" && (
        <Choice label="Signed by" value={draft.scheme} onChange={to("scheme")} of={SCHEMES} />
      )}
      {draft.when === "webhook" && draft.scheme !== "" && (
        <Line
          label="Secret of the tenant that it is signed with (its name)"
          value={draft.secret}
          onChange={to("secret")}
        />
      )}
      {draft.when !== "webhook" && (
        <Choice
          label="When its last run is still open"
          value={draft.overlap}
          onChange={to("overlap")}
          of={OVERLAPS}
        />
      )}
      <Line
        label="Pause after so many failures in a row (never, without a number)"
        value={draft.failures}
        onChange={to("failures")}
        type="number"
      />
      <Line
        label="Version of the workflow (the newest, without a number)"
        value={draft.version}
        onChange={to("version")}
        type="number"
      />
      <JsonField
        label="Input of its runs (JSON; what came, without one)"
        initial={draft.input ?? null}
        onChange={(input) => set({ ...draft, input })}
      />
    </>
  );
}
