import type { ReactNode } from "react";
import { shareOf } from "../parts/decimal";
import { compactText, Money } from "../parts/money";

/** Of a tenant or an agent; null: not limited. */
export interface Limits {
  concurrentCalls: number | null;
  tokensPerMin: number | null;
  costUsdPerMin: string | null;
  callsUnderWay: number;
  callsWaiting: number;
  tokensUsed: number | null;
  costUsedUsd: string | null;
}

/** Of a tenant: its requests of `http` nodes too. */
export interface TenantLimits extends Limits {
  concurrentHttpCalls: number | null;
  httpCallsUnderWay: number;
  httpCallsWaiting: number;
}

export function isLimited(limits: Limits): boolean {
  return (
    limits.concurrentCalls !== null || limits.tokensPerMin !== null || limits.costUsdPerMin !== null
  );
}

/** What is used of each limit of the calls of models at this moment. */
export function CallMeters({ limits, of }: { limits: Limits; of: string }) {
  const { concurrentCalls, tokensPerMin, costUsdPerMin, callsUnderWay, callsWaiting } = limits;
  const tokens = limits.tokensUsed ?? 0;
  const cost = limits.costUsedUsd ?? "0";
  return (
    <div className="stack">
      <ul className="budgets">
        {concurrentCalls !== null && (
          <Meter name="Calls at once" of={of} used={callsUnderWay / concurrentCalls}>
            {compactText(callsUnderWay)} of {compactText(concurrentCalls)} under way
          </Meter>
        )}
        {tokensPerMin !== null && (
          <Meter name="Tokens a minute" of={of} used={tokens / tokensPerMin}>
            {compactText(tokens)} of {compactText(tokensPerMin)}, used or held
          </Meter>
        )}
        {costUsdPerMin !== null && (
          <Meter name="Cost a minute" of={of} used={shareOf(cost, costUsdPerMin)}>
            <Money usd={cost} isShort /> of <Money usd={costUsdPerMin} isShort />, used or held
          </Meter>
        )}
      </ul>
      {callsWaiting > 0 && <InLine what="call" count={callsWaiting} />}
    </div>
  );
}

/** What is used of the limit of requests of `http` nodes at this moment. */
export function RequestMeter({ limits, of }: { limits: TenantLimits; of: string }) {
  const { concurrentHttpCalls, httpCallsUnderWay, httpCallsWaiting } = limits;
  if (concurrentHttpCalls === null) return null;
  return (
    <div className="stack">
      <ul className="budgets">
        <Meter name="Requests at once" of={of} used={httpCallsUnderWay / concurrentHttpCalls}>
          {compactText(httpCallsUnderWay)} of {compactText(concurrentHttpCalls)} requests under way
        </Meter>
      </ul>
      {httpCallsWaiting > 0 && <InLine what="request" count={httpCallsWaiting} />}
    </div>
  );
}

function InLine({ what, count }: { what: string; count: number }) {
  return (
    <p role="status">
      {count === 1 ? `1 ${what} waits` : `${compactText(count)} ${what}s wait`} in line.
    </p>
  );
}

function Meter({
  name,
  of,
  used,
  children,
}: {
  name: string;
  of: string;
  used: number;
  children: ReactNode;
}) {
  const shown = Math.min(used, 1) * 100;
  const tone = used >= 1 ? "tone-wait" : "tone-good";
  return (
    <li>
      <div className="row">
        <strong>{name}</strong>
        <span className={`pill ${tone}`}>{Math.round(used * 100)} %</span>
      </div>
      <div
        className="meter"
        role="meter"
        aria-label={`${name}, ${of}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(shown)}
      >
        <span className={tone} style={{ width: `${shown}%` }} />
      </div>
      <div className="muted">{children}</div>
    </li>
  );
}
