"""GET and POST /plans, PATCH and DELETE /plans/{id}, GET and PUT /tenants/{id}/plan."""

import pytest

from domain.identifiers import JsonObject, TenantId
from domain.plans import STANDARD_ID
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
PLAN = {"name": "Team", "limits": {"users": 5, "step_weight": 2.0, "run_cost_usd": "0.50"}}


async def a_plan(api: Api, **changes: object) -> JsonObject:
    response = await api.send("POST", "/plans", {**PLAN, **changes}, headers=OPERATOR)
    assert response.status_code == 201, response.text
    return response.json()["data"]


async def a_tenant(api: Api) -> str:
    response = await api.send("POST", "/tenants", TENANT, headers=OPERATOR)
    return response.json()["data"]["tenant_id"]


async def test_the_operator_makes_revises_and_archives_a_plan(api: Api) -> None:
    plan = await a_plan(api)
    assert plan["limits"] == {"step_weight": 2.0, "run_cost_usd": "0.50", "users": 5}
    path = f"/plans/{plan['plan_id']}"
    patch = {"limits": {"users": None, "agents": 0}}
    revised = await api.send("PATCH", path, patch, headers={**OPERATOR, "If-Match": '"1"'})
    assert revised.json()["data"]["limits"] == {
        "step_weight": 2.0,
        "run_cost_usd": "0.50",
        "agents": 0,
    }
    stale = await api.send("PATCH", path, patch, headers={**OPERATOR, "If-Match": '"1"'})
    problem(stale, 412, "stale")
    archived = await api.send("DELETE", path, headers=OPERATOR)
    assert archived.json()["data"]["is_archived"] is True
    problem(await api.send("PATCH", path, patch, headers=OPERATOR), 409, "plan_archived")


@pytest.mark.parametrize(
    ("limits", "mistake"),
    [
        ({"users": 0}, ("/limits/users", "greater_than_equal")),
        ({"users": "5"}, ("/limits/users", "int_type")),
        ({"flights": 5}, ("/limits/flights", "unknown_field")),
        ({"run_cost_usd": 0.5}, ("/limits/run_cost_usd", "string_type")),
        ({"run_cost_usd": "0"}, ("/limits/run_cost_usd", "value_error")),
        ({"run_cost_usd": "1e3"}, ("/limits/run_cost_usd", "string_pattern_mismatch")),
        ({"step_weight": 1000}, ("/limits/step_weight", "less_than_equal")),
        ({"concurrent_executions": 10**9}, ("/limits/concurrent_executions", "less_than_equal")),
        ({"requests_burst": 5}, ("/limits/requests_burst", "burst_too_large")),
    ],
)
async def test_a_limit_that_makes_no_sense_is_named(
    api: Api, limits: object, mistake: tuple[str, str]
) -> None:
    response = await api.send("POST", "/plans", {**PLAN, "limits": limits}, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [mistake]
    assert api.store.events == []


async def test_the_operator_puts_a_tenant_on_a_plan(api: Api) -> None:
    plan, tenant_id = await a_plan(api), await a_tenant(api)
    body = {"plan_id": plan["plan_id"], "overrides": {"users": None, "agents": 2}}
    response = await api.send("PUT", f"/tenants/{tenant_id}/plan", body, headers=OPERATOR)
    assert response.json()["data"] == {
        "tenant_id": tenant_id,
        "plan_id": plan["plan_id"],
        "plan_name": "Team",
        "plan_version": 1,
        "follows_newest": True,
        "limits": {"step_weight": 2.0, "run_cost_usd": "0.50", "agents": 2},
    }


async def test_what_cannot_be_assigned_is_refused(api: Api) -> None:
    plan, tenant_id = await a_plan(api), await a_tenant(api)
    path = f"/tenants/{tenant_id}/plan"
    for body, code in (
        ({"plan_id": str(api.world.ids.new())}, "not_found"),
        ({"plan_id": plan["plan_id"], "plan_version": 2}, "not_found"),
    ):
        problem(await api.send("PUT", path, body, headers=OPERATOR), 404, code)
    nowhere = f"/tenants/{api.world.ids.new()}/plan"
    body = {"plan_id": str(STANDARD_ID)}
    problem(await api.send("PUT", nowhere, body, headers=OPERATOR), 404, "not_found")
    problem(await api.send("PUT", path, {"plan_id": "x"}, headers=OPERATOR), 422, "invalid")


async def test_the_standard_plan_stays(api: Api) -> None:
    response = await api.send("DELETE", f"/plans/{STANDARD_ID}", headers=OPERATOR)
    problem(response, 409, "standard_plan")


async def test_a_tenant_makes_no_plans_and_lists_none(api: Api) -> None:
    problem(await api.send("POST", "/plans", PLAN), 403, "forbidden")
    problem(await api.send("GET", "/plans"), 403, "forbidden")
    problem(await api.send("GET", f"/tenants/{api.world.tenant_id}/plan"), 403, "forbidden")


async def test_a_reseller_reads_the_plans_that_it_can_use_and_its_customers_only(api: Api) -> None:
    plans: list[JsonObject] = [
        {"plan_id": str(api.world.ids.new()), "is_for_resellers": shown} for shown in (True, False)
    ]
    api.plan_usage.all = plans
    reseller = api.allow("rita", api.world.caller_with("tenants:manage"))
    headers = {"Authorization": reseller}
    listed = await api.send("GET", "/plans", headers=headers)
    assert listed.json()["data"]["plans"] == plans[:1]
    listed = await api.send("GET", "/plans", headers=OPERATOR)
    assert listed.json()["data"]["plans"] == plans
    own, foreign = TenantId(api.world.ids.new()), TenantId(api.world.ids.new())
    api.plan_usage.tenants = {
        own: (api.world.tenant_id, {"plan_name": "Team"}),
        foreign: (None, {"plan_name": "Team"}),
    }
    told = await api.send("GET", f"/tenants/{own}/plan", headers=headers)
    assert told.json()["data"] == {"plan_name": "Team"}
    hidden = await api.send("GET", f"/tenants/{foreign}/plan", headers=headers)
    problem(hidden, 404, "not_found")
    versions = f"/plans/{plans[0]['plan_id']}/versions"
    problem(await api.send("GET", versions, headers=headers), 403, "forbidden")
    assert (await api.send("GET", versions, headers=OPERATOR)).status_code == 200
    unknown = f"/plans/{api.world.ids.new()}/versions"
    problem(await api.send("GET", unknown, headers=OPERATOR), 404, "not_found")
