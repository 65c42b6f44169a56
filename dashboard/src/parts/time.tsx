import { useSyncExternalStore } from "react";

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

export function exactText(iso: string): string {
  return EXACT.format(new Date(iso));
}

/** The age; the exact time with its zone on hover, and for whoever reads by ear. */
export function Time({ at, exact = false }: { at: string | null; exact?: boolean }) {
  const age = useTicking((nowMs) => (at === null ? "–" : ageOf(at, nowMs)));
  if (at === null) return <span className="muted">{age}</span>;
  const full = exactText(at);
  return (
    <time dateTime={at} title={full} className="number">
      {exact ? `${full} (${age})` : age}
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

/** In its two largest units; whole ones alone. */
export function durationText(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 59_950) return `${ms % 1_000 === 0 ? ms / 1_000 : (ms / 1_000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return twoOf(seconds, 60, "min", "s");
  const minutes = Math.floor(seconds / 60);
  return minutes < 48 * 60
    ? twoOf(minutes, 60, "h", "min")
    : twoOf(Math.floor(minutes / 60), 24, "d", "h");
}

function twoOf(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  const whole = `${Math.floor(amount / size)} ${large}`;
  return rest === 0 ? whole : `${whole} ${rest} ${small}`;
}

/** since: of what goes on, when it began; the time until now then grows while one looks. */
export function Duration({ ms, since = null }: { ms: number | null; since?: string | null }) {
  const isOpen = ms === null && since !== null;
  const text = useTicking((nowMs) => (isOpen ? lastedText(since, nowMs) : durationText(ms)));
  if (!isOpen) return <span className="number">{text}</span>;
  return (
    <span className="number muted" title="until now">
      {text}
    </span>
  );
}

/** In seconds, and beyond a minute in minutes: what changes each second is not read. */
function lastedText(since: string, nowMs: number): string {
  const lasted = Math.max(nowMs - Date.parse(since), 0);
  const unit = lasted < 60_000 ? 1_000 : 60_000;
  return durationText(Math.floor(lasted / unit) * unit);
}

const TICK_MS = 1_000;
const tickers = new Set<() => void>();
let clock: ReturnType<typeof setInterval> | undefined;

function eachSecond(tell: () => void): () => void {
  tickers.add(tell);
  clock ??= setInterval(() => tickers.forEach((one) => one()), TICK_MS);
  return () => {
    tickers.delete(tell);
    if (tickers.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  };
}

/** Looked at each second; who uses it is drawn anew only when it comes to something else. */
export function useTicking<Told extends string | number>(of: (nowMs: number) => Told): Told {
  return useSyncExternalStore(eachSecond, () => of(Date.now()));
}

/** Of the times that are shown: `CET`. */
export function zoneName(): string {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}
