import { isOpen, StatePill, toneOf } from "../parts/state-pill";
import { Duration, useTicking } from "../parts/time";
import type { NodeRun } from "./read";

/** When each node ran, against the whole of the run; bodies of loops and maps below their node. */
export function Timeline({
  nodes,
  beganAt,
  endedAt,
  isNow,
  selected,
  onSelect,
}: {
  nodes: readonly NodeRun[];
  beganAt: string;
  endedAt: string | null;
  /** Not a state of the past. */
  isNow: boolean;
  selected: string;
  onSelect: (path: string) => void;
}) {
  const began = Date.parse(beganAt);
  const isGoingOn = isNow && endedAt === null;
  const second = useTicking((nowMs) => (isGoingOn ? Math.ceil(nowMs / 1_000) : 0));
  const last = isGoingOn ? second * 1_000 : latestOf(nodes, began);
  const end = endedAt === null ? last : Date.parse(endedAt);
  const span = Math.max(end - began, 1);
  const percent = (at: number) => `${Math.min(Math.max(((at - began) / span) * 100, 0), 99.5)}%`;
  return (
    <div className="timeline" role="group" aria-label="Timeline of the nodes">
      {nodes.map((node) => {
        const from = node.startedAt === null ? null : Date.parse(node.startedAt);
        const to = node.completedAt === null ? end : Date.parse(node.completedAt);
        return (
          <button
            key={node.path}
            type="button"
            aria-pressed={node.path === selected}
            onClick={() => onSelect(node.path)}
          >
            <span className={node.path.includes("/") ? "name nested" : "name"} title={node.path}>
              {node.path}
            </span>
            <StatePill state={node.status} />
            <span className="track" aria-hidden>
              {from !== null && (
                <span
                  className={`bar tone-${toneOf(node.status)}`}
                  style={{ left: percent(from), width: `${(Math.max(to - from, 0) / span) * 100}%` }}
                />
              )}
            </span>
            <span className="muted right">
              <Duration
                ms={node.durationMs}
                since={isNow && isOpen(node.status) ? node.startedAt : null}
              />
            </span>
          </button>
        );
      })}
    </div>
  );
}

/** Until when a state of the past reaches: the last time that it knows. */
function latestOf(nodes: readonly NodeRun[], began: number): number {
  const times = nodes.flatMap(({ startedAt, completedAt }) => [startedAt, completedAt]);
  return Math.max(began, ...times.filter((at) => at !== null).map((at) => Date.parse(at)));
}
