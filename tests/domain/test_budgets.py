"""Which budgets a call counts in, and in which period."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.budget_rules import BudgetRule, Period, ScopeType, Spender, applies, counter_of
from domain.budgets import Budget, BudgetNotFound, thresholds

BUDGET, SOME, OTHER, ROOT = (UUID(int=number) for number in (1, 2, 3, 4))


def a_rule(
    scope: ScopeType = "tenant",
    scope_id: UUID | None = None,
    period: Period = "total",
    *,
    window_s: int | None = None,
    zone: str = "UTC",
) -> BudgetRule:
    return BudgetRule(
        BUDGET, scope, scope_id, period, window_s, zone, 1, is_hard=True, allows_unpriced=False
    )


SPENDER = Spender(user_id=SOME, workflow_ids=(OTHER,), run_ids=(OTHER, ROOT))


@pytest.mark.parametrize(
    ("rule", "is_meant"),
    [
        (a_rule(), True),
        (a_rule("user", SOME), True),
        (a_rule("user", OTHER), False),
        (a_rule("api_key", SOME), False),
        (a_rule("agent", None), False),
        (a_rule("workflow", OTHER), True),
        (a_rule("run", None, "run"), True),
        (a_rule("run", OTHER), True),
        (a_rule("run", ROOT), True),
        (a_rule("run", SOME), False),
    ],
)
def test_a_budget_is_meant_by_who_spends(rule: BudgetRule, *, is_meant: bool) -> None:
    assert applies(rule, SPENDER) is is_meant


def test_what_a_tenant_counts_itself_is_of_no_run() -> None:
    assert applies(a_rule(), Spender())
    assert not applies(a_rule(period="run"), Spender())
    assert not applies(a_rule("run", None, "run"), Spender())


def test_what_a_run_began_is_paid_by_that_run() -> None:
    counter = counter_of(a_rule("run", None, "run"), SPENDER, datetime.now(UTC))
    assert counter == (str(BUDGET), str(ROOT), None)


@pytest.mark.parametrize(
    ("rule", "at", "start"),
    [
        (a_rule(), "2026-03-05T10:00:00Z", None),
        (a_rule(period="day"), "2026-03-05T10:00:00Z", "2026-03-05T00:00:00+00:00"),
        (
            a_rule(period="month", zone="Asia/Kathmandu"),
            "2026-02-28T18:15:00Z",
            "2026-02-28T18:15:00+00:00",
        ),
        (
            a_rule(period="month", zone="Asia/Kathmandu"),
            "2026-02-28T18:14:59Z",
            "2026-01-31T18:15:00+00:00",
        ),
        # Of 23 hours, and of 25.
        (
            a_rule(period="day", zone="Europe/Oslo"),
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00+00:00",
        ),
        (
            a_rule(period="day", zone="Europe/Oslo"),
            "2026-10-25T22:59:59Z",
            "2026-10-24T22:00:00+00:00",
        ),
        # An hour in parts of 37.5 s.
        (
            a_rule(period="rolling", window_s=3600),
            "2026-03-05T10:00:40Z",
            "2026-03-05T10:00:37.500000+00:00",
        ),
    ],
)
def test_a_call_counts_in_the_period_that_it_begins_in(
    rule: BudgetRule, at: str, start: str | None
) -> None:
    counter = counter_of(rule, SPENDER, datetime.fromisoformat(at))
    assert counter.period_start == start


def test_thresholds_are_written_in_one_way() -> None:
    assert thresholds(["1.0", "0.50", "0.5", "1e-7"]) == ["0.0000001", "0.5", "1"]


def test_nothing_can_be_done_with_a_deleted_budget() -> None:
    budget = Budget(
        id=BUDGET,
        scope_type="tenant",
        scope_id=None,
        period="total",
        window_s=None,
        time_zone="UTC",
        limit_usd_pico=1,
        mode="hard",
        notify_at=[],
        unpriced="refuse",
        keeper="tenant",
    )
    budget.delete()
    with pytest.raises(BudgetNotFound):
        budget.release(str(SOME), "draft", 1)
