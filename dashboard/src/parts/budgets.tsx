import { type FragmentOf, readFragment } from "gql.tada";
import { graphql } from "../api/graphql";
import { shareOf } from "./decimal";
import { Money } from "./money";

export const BUDGET_ROW = graphql(`
  fragment BudgetRow on Budget {
    id scopeType scopeId period limitUsd spentUsd reservedUsd mode status
  }
`);
const TONES: Record<string, string> = { OK: "tone-good", WARNING: "tone-wait", EXHAUSTED: "tone-bad" };

/** How much of each is spent, and held by calls that are under way. */
export function Budgets({ rows }: { rows: readonly FragmentOf<typeof BUDGET_ROW>[] }) {
  return (
    <ul className="budgets">
      {rows.map((row) => {
        const budget = readFragment(BUDGET_ROW, row);
        const spent = shareOf(budget.spentUsd, budget.limitUsd);
        const held = Math.min(shareOf(budget.reservedUsd, budget.limitUsd), 1 - Math.min(spent, 1));
        const name = `${budget.scopeType.replaceAll("_", " ")}${budget.scopeId ? ` …${budget.scopeId.slice(-6)}` : ""}`;
        return (
          <li key={budget.id}>
            <div className="row">
              <strong>{name}</strong>
              <span className="muted">
                per {budget.period}, {budget.mode}
              </span>
              <span className={`pill ${TONES[budget.status] ?? "tone-idle"}`}>
                {Math.round(spent * 100)} %
              </span>
            </div>
            <div
              className="meter"
              role="meter"
              aria-label={`Spent of the budget of ${name}`}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(Math.min(spent, 1) * 100)}
            >
              <span
                className={TONES[budget.status] ?? "tone-idle"}
                style={{ width: `${Math.min(spent, 1) * 100}%` }}
              />
              <span className="held" style={{ width: `${held * 100}%` }} />
            </div>
            <div className="muted">
              <Money usd={budget.spentUsd} isShort /> of <Money usd={budget.limitUsd} isShort />
              {shareOf(budget.reservedUsd, budget.limitUsd) > 0 && (
                <>
                  , <Money usd={budget.reservedUsd} isShort /> held
                </>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
