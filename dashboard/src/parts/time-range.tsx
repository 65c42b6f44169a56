import { useMemo } from "react";
import { useParam } from "./url";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RANGES = {
  "24h": { label: "24 hours", ms: DAY_MS, interval: "HOUR" },
  "7d": { label: "7 days", ms: 7 * DAY_MS, interval: "DAY" },
  "30d": { label: "30 days", ms: 30 * DAY_MS, interval: "DAY" },
  "90d": { label: "90 days", ms: 90 * DAY_MS, interval: "DAY" },
} as const;
type RangeName = keyof typeof RANGES;

export interface Range {
  name: RangeName;
  label: string;
  /** Whole hours or days of UTC, so that a query stays the same for a while. */
  from: string;
  to: string;
  interval: "HOUR" | "DAY";
}

/** The span of time in the address (`?range=7d`). */
export function useRange(standard: RangeName = "24h"): [Range, (name: string) => void] {
  const [given, setGiven] = useParam("range", ["after"]);
  const name = given in RANGES ? (given as RangeName) : standard;
  const { label, ms, interval } = RANGES[name];
  const step = interval === "HOUR" ? HOUR_MS : DAY_MS;
  const end = Math.ceil((Date.now() + 1) / step) * step;
  const range = useMemo(
    () => ({
      name,
      label,
      interval,
      from: new Date(end - ms).toISOString(),
      to: new Date(end).toISOString(),
    }),
    [name, label, interval, end, ms],
  );
  return [range, setGiven];
}

export function TimeRange({ value, onChange }: { value: Range; onChange: (name: string) => void }) {
  return (
    <div className="segmented" role="group" aria-label="Time range">
      {Object.entries(RANGES).map(([name, range]) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === value.name}
          title={`The last ${range.label}`}
          onClick={() => onChange(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
