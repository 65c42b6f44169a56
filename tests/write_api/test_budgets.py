"""POST /budgets, PATCH and DELETE /budgets/{id}."""

from typing import Any
from uuid import UUID

import pytest

from domain.budgets import Budget
from tests.write_api.api import Api, problem

BODY: dict[str, Any] = {
    "scope": {"type": "run"},
    "period": "run",
    "limit_usd": "0.000000000001",
    "mode": "hard",
}
SOME_ID = "0198c0de-0000-7000-8000-000000000000"


async def test_a_budget_lives_from_post_to_delete(api: Api) -> None:
    made = await api.created("/budgets", {**BODY, "notify_at": [0.8, 0.5, 1]})
    budget_id = str(made["budget_id"])
    changed = await api.send("PATCH", f"/budgets/{budget_id}", {"limit_usd": "12.5"})
    assert changed.json()["data"] == {"budget_id": budget_id, "version": 2}
    budget = await api.store.load(Budget, UUID(budget_id), api.world.tenant_id)
    assert budget is not None
    assert budget.limit_usd_pico == 12_500_000_000_000
    assert budget.notify_at == ["0.5", "0.8", "1"]
    api.store.keep(budget, api.world.tenant_id)
    gone = await api.send("DELETE", f"/budgets/{budget_id}")
    assert gone.json()["data"] == {"budget_id": budget_id, "is_deleted": True}
    assert (await api.send("DELETE", f"/budgets/{budget_id}")).status_code == 404


@pytest.mark.parametrize(
    ("mistake", "path"),
    [
        ({"scope": {"type": "planet"}}, "/scope/type"),
        ({"scope": {"type": "tenant", "id": SOME_ID}}, "/scope/id"),
        ({"scope": {"type": "agent"}}, "/scope/id"),
        ({"scope": {"type": "agent", "id": SOME_ID}}, "/scope/id"),
        ({"period": "day"}, "/period"),
        ({"period": "fortnight"}, "/period"),
        ({"window": {"days": 1}}, "/window"),
        ({"scope": {"type": "tenant"}, "period": "rolling"}, "/window"),
        ({"scope": {"type": "tenant"}, "period": "rolling", "window": {}}, "/window"),
        ({"limit_usd": "0"}, "/limit_usd"),
        ({"limit_usd": "1000001"}, "/limit_usd"),
        ({"limit_usd": 5}, "/limit_usd"),
        ({"mode": "firm"}, "/mode"),
        ({"notify_at": [0]}, "/notify_at/0"),
        ({"notify_at": [1.1]}, "/notify_at/0"),
        ({"notify_at": ["nan"]}, "/notify_at/0"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"unpriced": "hide"}, "/unpriced"),
    ],
)
async def test_a_mistake_is_named_with_its_place(
    api: Api, mistake: dict[str, Any], path: str
) -> None:
    response = await api.send("POST", "/budgets", {**BODY, **mistake})
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]


async def test_a_mistake_is_said_in_our_words_alone(api: Api) -> None:
    response = await api.send("POST", "/budgets", {**BODY, "limit_usd": "0"})
    (mistake,) = response.json()["errors"]
    assert mistake["message"] == "more than 0 and at most 1000000 USD"
