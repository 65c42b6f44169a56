"""budgets."""

from domain.budgets import Budget
from projections.budgets import BUDGETS
from projections.fold import rows_after
from tests.projections.budget_histories import USD, a_budget
from tests.projections.histories import at

TOLD = {"run_id": None, "period_start": None}


def test_a_budget_says_what_holds_and_when_it_was_told_of_last() -> None:
    budget = a_budget().happens(
        Budget.Revised, limit_usd_pico=20 * USD, mode="soft", notify_at=[], unpriced="allow"
    )
    counted = {"spent_usd_pico": 20 * USD, "limit_usd_pico": 20 * USD}
    budget.happens(Budget.ThresholdReached, **TOLD, **counted, threshold="1")
    budget.happens(Budget.Exhausted, **TOLD, **counted)
    assert rows_after(BUDGETS, budget.events) == [
        {
            "tenant_id": budget.tenant_id,
            "budget_id": budget.stream_id,
            "scope_type": "tenant",
            "scope_id": None,
            "period": "month",
            "window_s": None,
            "time_zone": "Asia/Kathmandu",
            "limit_usd_pico": 20 * USD,
            "mode": "soft",
            "notify_at": [],
            "unpriced": "allow",
            "keeper": "tenant",
            "is_deleted": False,
            "exhausted_at": at(4),
            "overshot_at": None,
            "created_at": at(1),
            "updated_at": at(2),
            "version": 4,
        }
    ]


def test_a_deleted_budget_is_marked() -> None:
    (row,) = rows_after(BUDGETS, a_budget().happens(Budget.Deleted).events)
    assert (row["is_deleted"], row["version"]) == (True, 2)
