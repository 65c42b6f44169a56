import { type FragmentOf, readFragment } from "gql.tada";
import { graphql } from "../api/graphql";
import { StatePill } from "./state-pill";
import { type Column, Table } from "./table";
import { Time } from "./time";

export const TRIGGER_ROW = graphql(`
  fragment TriggerRow on Trigger {
    id name kind schedule isPaused pauseReason note nextAt lastFiredAt firedCount missedCount
  }
`);
type Trigger = ReturnType<typeof readRow>;

function readRow(row: FragmentOf<typeof TRIGGER_ROW>) {
  return readFragment(TRIGGER_ROW, row);
}

/** In the words of the schedule. */
function whenOf(trigger: Trigger): string {
  const told = trigger.schedule as { cron?: string; time_zone?: string; every_s?: number } | null;
  if (told === null) return "when its webhook is sent something";
  if (told.cron !== undefined) return `${told.cron}, ${told.time_zone ?? "UTC"}`;
  return `every ${told.every_s ?? 0} s`;
}

const COLUMNS: Column<Trigger>[] = [
  {
    head: "Trigger",
    className: "wide",
    cell: (trigger) => (
      <>
        {trigger.name}
        <div className="muted clipped">{whenOf(trigger)}</div>
      </>
    ),
  },
  {
    head: "State",
    cell: (trigger) => (
      <>
        <StatePill
          state={trigger.isPaused ? "PAUSED" : "ACTIVE"}
          tone={trigger.isPaused ? "wait" : "good"}
        />
        {trigger.isPaused && (
          <div className="muted clipped">{trigger.note ?? trigger.pauseReason}</div>
        )}
      </>
    ),
  },
  { head: "Next", cell: (trigger) => <Time at={trigger.nextAt} /> },
  { head: "Last", cell: (trigger) => <Time at={trigger.lastFiredAt} /> },
  { head: "Fired", className: "right", cell: (trigger) => trigger.firedCount },
  { head: "Missed", className: "right", cell: (trigger) => trigger.missedCount },
];

export function TriggerTable({ rows }: { rows: readonly FragmentOf<typeof TRIGGER_ROW>[] }) {
  return (
    <Table
      label="Triggers of this workflow"
      columns={COLUMNS}
      rows={rows.map(readRow)}
      keyOf={(trigger) => trigger.id}
    />
  );
}
