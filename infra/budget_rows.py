"""The rows of infra/side_rows.py that tell of budgets."""

from typing import LiteralString

import orjson

from commands.budget_port import (
    BudgetRow,
    ReleasedHold,
    RemovedBudget,
    RevisedBudget,
    StoredBudget,
    ToldAlert,
)
from domain.budgets import BUDGETS_MAX, MANAGED_BUDGETS_MAX
from domain.identifiers import JsonObject, TenantId

STORE_BUDGET: LiteralString = "SELECT store_budget(%s, %s, %s::json, %s)"
REVISE_BUDGET: LiteralString = "SELECT revise_budget(%s, %s, %s::json)"
REMOVE_BUDGET: LiteralString = "SELECT remove_budget(%s, %s)"
RELEASE_HOLD: LiteralString = "SELECT release_budget_hold(%s, %s, %s, %s, %s)"
TOLD_ALERT: LiteralString = "SELECT told_budget_alert(%s, %s)"


def budget_statement(
    tenant_id: TenantId, row: BudgetRow
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    match row:
        case StoredBudget():
            is_own = row.told["keeper"] == "tenant"
            at_most = BUDGETS_MAX + (0 if is_own else MANAGED_BUDGETS_MAX)
            return STORE_BUDGET, (tenant_id, row.budget_id, _text(row.told), at_most)
        case RevisedBudget():
            return REVISE_BUDGET, (tenant_id, row.budget_id, _text(row.told))
        case RemovedBudget():
            return REMOVE_BUDGET, (tenant_id, row.budget_id)
        case ReleasedHold():
            attempt = (row.execution_id, row.path, row.attempt)
            return RELEASE_HOLD, (tenant_id, row.budget_id, *attempt)
        case ToldAlert():
            return TOLD_ALERT, (tenant_id, row.alert_id)


def _text(document: JsonObject) -> str:
    return orjson.dumps(document).decode()
