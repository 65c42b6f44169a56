import { type FragmentOf, readFragment } from "gql.tada";
import { useState } from "react";
import { Link } from "wouter";
import { graphql } from "../api/graphql";
import { StatePill } from "../parts/state-pill";
import { type Column, Table } from "../parts/table";
import { durationText, Time } from "../parts/time";
import { useMay } from "../session/permissions";
import { Asked, type Kind, LABELS } from "./actions";

export const TRIGGER_ROW = graphql(`
  fragment TriggerRow on Trigger {
    id name kind workflowVersion schedule webhook input policy isPaused pauseReason note nextAt lastFiredAt lastExecutionId lastStatus
    firedCount missedCount failuresInARow
  }
`);
export type Trigger = ReturnType<typeof readRow>;

function readRow(row: FragmentOf<typeof TRIGGER_ROW>) {
  return readFragment(TRIGGER_ROW, row);
}

/** In the words of the schedule. */
function whenOf(trigger: Trigger): string {
  const told = trigger.schedule as { cron?: string; time_zone?: string; every_s?: number } | null;
  if (told === null) return "when its webhook is sent something";
  if (told.cron !== undefined) return `${told.cron}, ${told.time_zone ?? "UTC"}`;
  return `every ${durationText((told.every_s ?? 0) * 1_000)}`;
}

const COLUMNS: Column<Trigger>[] = [
  {
    head: "Trigger",
    className: "wide",
    cell: (trigger) => (
      <>
        {trigger.name}
        <div className="muted clipped" title={whenOf(trigger)}>
          {whenOf(trigger)}
        </div>
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
          <div className="muted clipped" title={whyPaused(trigger)}>
            {whyPaused(trigger)}
          </div>
        )}
      </>
    ),
  },
  { head: "Next", cell: (trigger) => <Time at={trigger.nextAt} /> },
  { head: "Last", cell: (trigger) => <Time at={trigger.lastFiredAt} /> },
  {
    head: "Its run",
    cell: (trigger) =>
      trigger.lastExecutionId === null ? (
        <span className="muted">–</span>
      ) : (
        <Link href={`/executions/${trigger.lastExecutionId}`}>
          <StatePill state={trigger.lastStatus ?? "PENDING"} />
        </Link>
      ),
  },
  { head: "Fired", className: "right", cell: (trigger) => trigger.firedCount },
  { head: "Missed", className: "right", cell: (trigger) => trigger.missedCount },
];

function whyPaused(trigger: Trigger): string {
  if (trigger.note !== null) return trigger.note;
  if (trigger.pauseReason === "failures") return `${trigger.failuresInARow} runs failed in a row`;
  return trigger.pauseReason === "by_hand" ? "by hand" : `refused: ${trigger.pauseReason ?? ""}`;
}

export function TriggerTable({
  rows,
  again,
}: {
  rows: readonly FragmentOf<typeof TRIGGER_ROW>[];
  again: () => void;
}) {
  const may = useMay();
  const [asked, setAsked] = useState<{ kind: Kind; trigger: Trigger } | null>(null);
  const offered: Column<Trigger> = {
    head: "What to do",
    cell: (trigger) => (
      <div className="buttons">
        {kindsOf(trigger).map((kind) => (
          <button
            key={kind}
            type="button"
            className="button"
            aria-label={`${LABELS[kind]} ${trigger.name}`}
            onClick={() => setAsked({ kind, trigger })}
          >
            {LABELS[kind]}
          </button>
        ))}
      </div>
    ),
  };
  return (
    <>
      <Table
        label="Triggers of this workflow"
        columns={may("workflows:execute") ? [...COLUMNS, offered] : COLUMNS}
        rows={rows.map(readRow)}
        keyOf={(trigger) => trigger.id}
      />
      {asked && (
        <Asked
          {...asked}
          key={asked.kind}
          to={(kind) => setAsked({ ...asked, kind })}
          again={again}
          close={() => setAsked(null)}
        />
      )}
    </>
  );
}

/** A webhook fires when something is sent to it, and without that it has nothing to give to a run. */
function kindsOf(trigger: Trigger): Kind[] {
  const change: Kind = trigger.isPaused ? "resume" : "pause";
  return trigger.kind === "schedule" ? ["fire", change, "more"] : [change, "more"];
}
