"""What is told of budgets, followed: of the tenant alone, from a position on, and nothing else."""

from collections.abc import AsyncIterator

import pytest

from domain.budgets import Budget
from tests.projections.budget_histories import USD, a_budget
from tests.projections.histories import IDS, a_tenant, an_agent
from tests.read_api.api import Api
from tests.read_api.sockets import Socket, connected, serving

ALERTS = """subscription($after: String) { budgetAlerts(after: $after) {
  position budgetId kind threshold limitUsd spentUsd runId periodStart executionId nodePath
  reservedUsd costUsd recordedAt } }"""
MONTH = {"run_id": None, "period_start": "2026-01-01T00:00:00+00:00"}
COUNTED = {"spent_usd_pico": 8 * USD, "limit_usd_pico": 10 * USD}


@pytest.fixture
async def socket(api: Api) -> AsyncIterator[Socket]:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        yield socket


async def test_alerts_are_told_in_order_and_from_where_one_was(api: Api, socket: Socket) -> None:
    agent, foreign = an_agent(api.tenant_id), a_budget(a_tenant())
    foreign.happens(Budget.ThresholdReached, **MONTH, **COUNTED, threshold="0.5")
    run_id = IDS.new()
    budget = a_budget(api.tenant_id)
    budget.happens(Budget.ThresholdReached, **MONTH, **COUNTED, threshold="0.8")
    budget.happens(
        Budget.Overshot,
        **MONTH,
        execution_id=str(run_id),
        path="draft",
        attempt=1,
        reserved_usd_pico=5,
        cost_usd_pico=7,
    )
    await api.record(agent, foreign, budget)
    query = "{ events(first: 9) { edges { node { position } } } }"
    first = (await api.read(query))["events"]["edges"][-1]["node"]["position"]
    await socket.subscribe(ALERTS, after=first)
    seen = [data["budgetAlerts"] for data in await socket.following(2)]
    assert seen[0] | {"position": ""} == {
        "position": "",
        "budgetId": str(budget.stream_id),
        "kind": "THRESHOLD_REACHED",
        "threshold": 0.8,
        "limitUsd": "10",
        "spentUsd": "8",
        "runId": None,
        "periodStart": "2026-01-01T00:00:00+00:00",
        "executionId": None,
        "nodePath": None,
        "reservedUsd": None,
        "costUsd": None,
        "recordedAt": "2026-01-01T00:00:02+00:00",
    }
    assert seen[1]["kind"] == "OVERSHOT"
    assert (seen[1]["executionId"], seen[1]["nodePath"]) == (str(run_id), "draft")
    assert (seen[1]["reservedUsd"], seen[1]["costUsd"]) == ("0.000000000005", "0.000000000007")
    later = a_budget(api.tenant_id).happens(Budget.Exhausted, **MONTH, **COUNTED)
    await api.record(an_agent(api.tenant_id), later)
    (alert,) = await socket.following(1)
    assert alert["budgetAlerts"]["kind"] == "EXHAUSTED"
    await socket.subscribe(ALERTS, after=seen[0]["position"], as_="again")
    again = [data["budgetAlerts"]["kind"] for data in await socket.following(2)]
    assert again == ["OVERSHOT", "EXHAUSTED"]
