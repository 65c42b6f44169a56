import { compactText } from "../parts/money";
import { isLimited, type Limits } from "./meters";

/** In a table: what is under way of an agent that has limits, and what waits. */
export function CallsNow({ limits }: { limits: Limits }) {
  if (!isLimited(limits)) return <span className="muted">not limited</span>;
  const { concurrentCalls, callsUnderWay, callsWaiting } = limits;
  return (
    <span className="nowrap">
      {compactText(callsUnderWay)}
      {concurrentCalls !== null && ` of ${compactText(concurrentCalls)}`}
      {callsWaiting > 0 && <span className="muted">, {compactText(callsWaiting)} wait</span>}
    </span>
  );
}
