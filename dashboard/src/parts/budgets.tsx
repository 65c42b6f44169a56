import { type FragmentOf, readFragment } from "gql.tada";
import { graphql } from "../api/graphql";
import { useState } from "react";
import { shareOf } from "./decimal";
import { Money } from "./money";
import { wordOf } from "./state-pill";

export const BUDGET_ROW = graphql(`
  fragment BudgetRow on Budget {
    id scopeType scopeId period limitUsd spentUsd reservedUsd mode status
  }
`);
const TONES: Record<string, string> = { OK: "tone-good", WARNING: "tone-wait", EXHAUSTED: "tone-bad" };

/** Of those that are shown before somebody asks for all. */
const SHOWN_MAX = 8;

/** How much of each is spent, and held by calls that are under way; the nearest to its limit first.
 * nameOf: of a workflow or an agent, by its id.
 */
export function Budgets({
  rows,
  nameOf,
}: {
  rows: readonly FragmentOf<typeof BUDGET_ROW>[];
  nameOf: (id: string) => string | undefined;
}) {
  const [isAll, setIsAll] = useState(false);
  const budgets = rows.map(readRow).sort((one, other) => other.spent - one.spent);
  return (
    <div className="stack">
      <Rows {...{ nameOf }} budgets={isAll ? budgets : budgets.slice(0, SHOWN_MAX)} />
      {budgets.length > SHOWN_MAX && !isAll && (
        <button type="button" className="button" onClick={() => setIsAll(true)}>
          Show all {budgets.length}
        </button>
      )}
    </div>
  );
}

type Budget = ReturnType<typeof readRow>;

function readRow(row: FragmentOf<typeof BUDGET_ROW>) {
  const budget = readFragment(BUDGET_ROW, row);
  return { ...budget, spent: shareOf(budget.spentUsd, budget.limitUsd) };
}

function Rows({
  budgets,
  nameOf,
}: {
  budgets: Budget[];
  nameOf: (id: string) => string | undefined;
}) {
  return (
    <ul className="budgets">
      {budgets.map((budget) => {
        const { spent } = budget;
        const held = Math.min(shareOf(budget.reservedUsd, budget.limitUsd), 1 - Math.min(spent, 1));
        const name = nameIn(budget, nameOf);
        return (
          <li key={budget.id}>
            <div className="row">
              <strong title={name}>{name}</strong>
              <span className={`pill ${TONES[budget.status] ?? "tone-idle"}`}>
                {spent < 10 ? Math.floor(spent * 100) : ">999"} %
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
              <Money usd={budget.spentUsd} isShort /> of <Money usd={budget.limitUsd} isShort />{" "}
              per {budget.period}, {budget.mode}
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

function nameIn(
  { scopeType, scopeId }: Budget,
  nameOf: (id: string) => string | undefined,
): string {
  if (scopeType === "tenant") return "Whole tenant";
  const kind = wordOf(scopeType);
  return scopeId ? (nameOf(scopeId) ?? `${kind} …${scopeId.slice(-6)}`) : `Each ${kind.toLowerCase()}`;
}
