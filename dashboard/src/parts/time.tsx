import { useEffect, useState } from "react";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const EXACT = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "long",
});
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Infinity],
];

export function ageOf(iso: string, nowMs = Date.now()): string {
  let amount = (new Date(iso).getTime() - nowMs) / 1000;
  if (Math.abs(amount) < 2) return "now";
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size) return RELATIVE.format(Math.round(amount), unit);
    amount /= size;
  }
  return iso;
}

/** The age; the exact time with its zone on hover, and for whoever reads by ear. */
export function Time({ at, exact = false }: { at: string | null; exact?: boolean }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 10_000);
    return () => clearInterval(timer);
  }, []);
  if (at === null) return <span className="muted">–</span>;
  const full = EXACT.format(new Date(at));
  return (
    <time dateTime={at} title={full} className="number">
      {exact ? `${full} (${ageOf(at)})` : ageOf(at)}
    </time>
  );
}

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

/** The day, for what is due on one; the exact time on hover. */
export function Day({ at }: { at: string | null }) {
  if (at === null) return <span className="muted">–</span>;
  const then = new Date(at);
  return (
    <time dateTime={at} title={`${EXACT.format(then)} (${ageOf(at)})`} className="number nowrap">
      {DAY.format(then)}
    </time>
  );
}

export function durationText(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function Duration({ ms }: { ms: number | null }) {
  return <span className="number">{durationText(ms)}</span>;
}
