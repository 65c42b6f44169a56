import { isOpen, StatePill, toneOf } from "../parts/state-pill";
import { Duration, useNow } from "../parts/time";
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
  const now = useNow(isNow && endedAt === null);
  const end = endedAt === null ? now : Date.parse(endedAt);
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
