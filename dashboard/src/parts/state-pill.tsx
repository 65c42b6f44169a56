import {
  Ban,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleX,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  SkipForward,
  Undo2,
} from "lucide-react";

export type Tone = "good" | "bad" | "live" | "wait" | "odd" | "idle";

/** Each state has a tone, a shape and a word: two of them are enough to tell it. */
const STATES: Record<string, [Tone, LucideIcon]> = {
  PENDING: ["idle", CircleDashed],
  RUNNING: ["live", LoaderCircle],
  WAITING: ["wait", Hourglass],
  PAUSED: ["idle", CirclePause],
  COMPLETED: ["good", CircleCheck],
  FAILED: ["bad", CircleX],
  COMPENSATING: ["odd", LoaderCircle],
  COMPENSATED: ["odd", Undo2],
  CANCELLED: ["idle", Ban],
  SKIPPED: ["idle", SkipForward],
  NEEDS_ATTENTION: ["odd", CircleAlert],
};

/** For a state that has no shape of its own. */
const SHAPES: Record<Tone, LucideIcon> = {
  good: CircleCheck,
  bad: CircleX,
  live: LoaderCircle,
  wait: Hourglass,
  odd: CircleAlert,
  idle: CircleDashed,
};

export function toneOf(state: string): Tone {
  return STATES[state]?.[0] ?? "idle";
}

export function wordOf(state: string): string {
  const word = state.toLowerCase().replaceAll("_", " ");
  return (word.charAt(0).toUpperCase() + word.slice(1)).replace(/^Api\b/, "API");
}

const OVER = new Set(["COMPLETED", "FAILED", "COMPENSATED", "CANCELLED", "SKIPPED"]);

/** Of a run or of a node. */
export function isOpen(state: string): boolean {
  return !OVER.has(state);
}

/** tone: for a state that is not of a run, such as an invoice's. */
export function StatePill({ state, tone }: { state: string; tone?: Tone }) {
  const [own, shape] = STATES[state] ?? (["idle", null] as const);
  const Icon = shape ?? SHAPES[tone ?? own];
  return (
    <span className={`pill tone-${tone ?? own}`}>
      <Icon size={13} strokeWidth={2.4} aria-hidden />
      {wordOf(state)}
    </span>
  );
}
