"""/tenants/{id}/budgets: what the operator, or the reseller who created a tenant, keeps for it."""

from typing import Any
from uuid import UUID

import pytest

from domain.budgets import Budget
from domain.identifiers import TenantId
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.test_budgets import BODY, SOME_ID

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
MONTH: dict[str, Any] = {**BODY, "scope": {"type": "tenant"}, "period": "month"}


async def a_tenant(api: Api) -> TenantId:
    body = {"name": "Acme", "admin": {"email": "ada@acme.example", "password": "correct horse 9 x"}}
    made = await api.send("POST", "/tenants", body, headers=OPERATOR)
    return TenantId(UUID(made.json()["data"]["tenant_id"]))


async def test_the_operator_keeps_a_budget_for_a_tenant(api: Api) -> None:
    tenant_id = await a_tenant(api)
    path = f"/tenants/{tenant_id}/budgets"
    made = await api.send("POST", path, MONTH, headers=OPERATOR)
    assert made.status_code == 201, made.text
    budget_id = made.json()["data"]["budget_id"]
    one = f"{path}/{budget_id}"
    changed = await api.send("PATCH", one, {"limit_usd": "7"}, headers=OPERATOR)
    assert changed.json()["data"] == {"budget_id": budget_id, "version": 2}
    budget = await api.store.load(Budget, UUID(budget_id), tenant_id)
    assert budget is not None
    assert (budget.keeper, budget.limit_usd_pico) == ("operator", 7 * 10**12)
    api.store.keep(budget, tenant_id)
    held = {"execution_id": SOME_ID, "path": "draft", "attempt": 1}
    problem(await api.send("POST", f"{one}/release", held, headers=OPERATOR), 404, "not_found")
    gone = await api.send("DELETE", one, headers=OPERATOR)
    assert gone.json()["data"] == {"budget_id": budget_id, "is_deleted": True}


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"type": "agent", "id": SOME_ID}, "/scope/type"),
        ({"type": "user", "id": SOME_ID}, "/scope/type"),
        ({"type": "run", "id": SOME_ID}, "/scope/id"),
    ],
    ids=["agent", "user", "run"],
)
async def test_what_is_in_a_tenant_is_its_own_business(
    api: Api, scope: dict[str, str], path: str
) -> None:
    tenant_id = await a_tenant(api)
    body = {**MONTH, "scope": scope}
    answer = await api.send("POST", f"/tenants/{tenant_id}/budgets", body, headers=OPERATOR)
    assert [place for place, _ in problem(answer, 422, "invalid")] == [path]


async def test_nobody_else_keeps_or_reads_them(api: Api) -> None:
    tenant_id = await a_tenant(api)
    path = f"/tenants/{tenant_id}/budgets"
    asked: list[tuple[str, dict[str, Any] | None]] = [("POST", MONTH), ("GET", None)]
    seller = {"Authorization": api.allow("rita", api.world.caller_with("tenants:manage"))}
    for method, body in asked:
        problem(await api.send(method, path, body), 403, "forbidden")
        problem(await api.send(method, path, body, headers=seller), 404, "not_found")


async def test_a_reseller_reads_what_it_keeps(api: Api) -> None:
    tenant_id = TenantId(api.world.ids.new())
    api.plan_usage.tenants = {tenant_id: (api.world.tenant_id, {"plan_id": SOME_ID})}
    seller = {"Authorization": api.allow("rita", api.world.caller_with("tenants:manage"))}
    told = await api.send("GET", f"/tenants/{tenant_id}/budgets", headers=seller)
    assert told.json()["data"] == {"budgets": [{"budget_id": SOME_ID}]}
