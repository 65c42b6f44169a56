"""Budgets with what is spent of them now, of the present period and no other."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.budget_rules import BudgetRule, Spender, counter_of
from domain.budgets import Budget
from tests.projections.budget_histories import USD, a_budget
from tests.projections.histories import IDS, Stream, a_tenant
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ budgets { edges { node { id scopeType scopeId period windowS timeZone limitUsd spentUsd"
    " reservedUsd remainingUsd overshotUsd mode notifyAt unpriced status exhaustedAt version"
    " } } } }"
)
STANDING = "{ budgets { edges { node { spentUsd reservedUsd remainingUsd status } } } }"
PERIOD = "query($id: ID!) { budget(id: $id) { periodStart periodEnd } }"


async def counted(
    api: Api, budget: Stream, period_start: str | None, spent: int, run_id: UUID | None = None
) -> None:
    await api.ledger.owner.execute(
        "INSERT INTO budget_counters (tenant_id, budget_id, run_id, period_start, spent, reserved)"
        " VALUES (%s, %s, coalesce(%s::uuid, '00000000-0000-0000-0000-000000000000'),"
        "  coalesce(%s::timestamptz, 'epoch'), %s, 1)",
        (budget.tenant_id, budget.stream_id, run_id, period_start, spent),
    )


def present_period(fields: dict[str, object]) -> str | None:
    rule = BudgetRule(
        UUID(int=1),
        "tenant",
        None,
        fields["period"],  # type: ignore[arg-type]
        fields["window_s"],  # type: ignore[arg-type]
        "Asia/Kathmandu",
        1,
        is_hard=True,
        allows_unpriced=False,
    )
    return counter_of(rule, Spender(), datetime.now(UTC)).period_start


async def test_a_budget_is_listed_with_what_is_spent_of_it(api: Api) -> None:
    budget = a_budget(api.tenant_id)
    gone = a_budget(api.tenant_id).happens(Budget.Deleted)
    await api.happened(budget, gone, a_budget(a_tenant()))
    present = present_period({"period": "month", "window_s": None})
    await counted(api, budget, present, 8 * USD)
    await counted(api, budget, "2020-01-01T00:00:00Z", 99 * USD)
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["budgets"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(budget.stream_id),
                "scopeType": "tenant",
                "scopeId": None,
                "period": "month",
                "windowS": None,
                "timeZone": "Asia/Kathmandu",
                "limitUsd": "10",
                "spentUsd": "8",
                "reservedUsd": "0.000000000001",
                "remainingUsd": "1.999999999999",
                "overshotUsd": "0",
                "mode": "hard",
                "notifyAt": [0.5, 0.8],
                "unpriced": "refuse",
                "status": "WARNING",
                "exhaustedAt": None,
                "version": 1,
            }
        ]


@pytest.mark.parametrize(
    ("period", "window_s"), [("day", None), ("total", None), ("rolling", 86_400), ("rolling", 3600)]
)
async def test_the_database_counts_in_the_periods_that_who_reserves_names(
    api: Api, period: str, window_s: int | None
) -> None:
    fields: dict[str, object] = {"period": period, "window_s": window_s}
    budget = a_budget(api.tenant_id, **fields)
    await api.happened(budget)
    await counted(api, budget, present_period(fields), 10 * USD)
    ((edge),) = (await api.read(STANDING))["budgets"]["edges"]
    assert edge["node"] == {
        "spentUsd": "10",
        "reservedUsd": "0.000000000001",
        "remainingUsd": "0",
        "status": "EXHAUSTED",
    }


async def test_a_rolling_window_adds_up_what_is_in_it(api: Api) -> None:
    budget = a_budget(api.tenant_id, period="rolling", window_s=3600)
    await api.happened(budget)
    now = datetime.now(UTC)
    for minutes, spent in ((1, 1), (50, 2), (90, 4)):
        await counted(api, budget, (now - timedelta(minutes=minutes)).isoformat(), spent * USD)
    ((edge),) = (await api.read(STANDING))["budgets"]["edges"]
    assert edge["node"]["spentUsd"] == "3"


async def test_of_a_budget_for_each_run_the_run_that_has_come_farthest_is_told(api: Api) -> None:
    budget = a_budget(api.tenant_id, scope_type="run", period="run", notify_at=[])
    await api.happened(budget)
    for spent in (1, 9, 4):
        await counted(api, budget, None, spent * USD, IDS.new())
    ((edge),) = (await api.read(STANDING))["budgets"]["edges"]
    assert (edge["node"]["spentUsd"], edge["node"]["status"]) == ("9", "OK")


async def test_a_month_begins_and_ends_in_the_zone_of_the_budget(api: Api) -> None:
    budget = a_budget(api.tenant_id)
    await api.happened(budget)
    told = (await api.read(PERIOD, id=str(budget.stream_id)))["budget"]
    assert told["periodStart"].endswith("T18:15:00+00:00")
    assert told["periodEnd"].endswith("T18:15:00+00:00")
