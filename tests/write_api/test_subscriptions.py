"""POST /subscriptions, PATCH /subscriptions/{tenant_id}, /cancel and /resume."""

import pytest

from domain.identifiers import JsonObject
from domain.plans import STANDARD_ID
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
TERMS = {"recurring_usd": "49", "included": [{"meter": "output_tokens", "quantity": 1000}]}


async def a_tenant(api: Api) -> str:
    response = await api.send("POST", "/tenants", TENANT, headers=OPERATOR)
    return response.json()["data"]["tenant_id"]


async def a_plan(api: Api, terms: object = TERMS) -> JsonObject:
    body = {"name": "Team", "limits": {}, "terms": terms}
    response = await api.send("POST", "/plans", body, headers=OPERATOR)
    assert response.status_code == 201, response.text
    return response.json()["data"]


async def test_a_plan_has_terms_that_a_new_version_may_change_or_take_away(api: Api) -> None:
    plan = await a_plan(api)
    whole = {
        "interval": "month",
        "recurring_usd": "49",
        "minimum_usd": "0",
        "trial_days": 0,
        "included": [{"meter": "output_tokens", "model": "*", "quantity": 1000}],
    }
    assert plan["terms"] == whole
    path = f"/plans/{plan['plan_id']}"
    kept = await api.send("PATCH", path, {"name": "Club"}, headers=OPERATOR)
    assert (kept.json()["data"]["terms"], kept.json()["data"]["plan_version"]) == (whole, 2)
    gone = await api.send("PATCH", path, {"terms": None}, headers=OPERATOR)
    assert (gone.json()["data"]["terms"], gone.json()["data"]["plan_version"]) == (None, 3)


@pytest.mark.parametrize(
    ("terms", "mistake"),
    [
        ({}, ("/terms/recurring_usd", "missing_field")),
        ({"recurring_usd": 49}, ("/terms/recurring_usd", "string_type")),
        ({"recurring_usd": "-1"}, ("/terms/recurring_usd", "string_pattern_mismatch")),
        ({"recurring_usd": "1", "interval": "week"}, ("/terms/interval", "literal_error")),
        ({"recurring_usd": "1", "trial_days": 9999}, ("/terms/trial_days", "less_than_equal")),
        (
            {"recurring_usd": "1", "included": [{"meter": "m", "quantity": 1}] * 2},
            ("/terms", "value_error"),
        ),
    ],
)
async def test_terms_that_make_no_sense_are_named(
    api: Api, terms: object, mistake: tuple[str, str]
) -> None:
    body = {"name": "Team", "limits": {}, "terms": terms}
    response = await api.send("POST", "/plans", body, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [mistake]


async def test_a_tenant_subscribes_changes_cancels_and_resumes(api: Api) -> None:
    tenant_id, plan = await a_tenant(api), await a_plan(api)
    body = {"tenant_id": tenant_id, "plan_id": plan["plan_id"], "trial_days": 14}
    begun = await api.send("POST", "/subscriptions", body, headers=OPERATOR)
    assert begun.status_code == 201, begun.text
    assert begun.json()["data"]["status"] == "trialing"
    again = await api.send("POST", "/subscriptions", body, headers=OPERATOR)
    problem(again, 409, "already_subscribed")
    path = f"/subscriptions/{tenant_id}"
    change = {"plan_id": str(STANDARD_ID), "when": "period_end"}
    changed = await api.send("PATCH", path, change, headers=OPERATOR)
    assert changed.json()["data"]["next_plan"]["plan_id"] == str(STANDARD_ID)
    ending = await api.send("POST", f"{path}/cancel", {}, headers=OPERATOR)
    assert ending.json()["data"]["ends_at"] == begun.json()["data"]["trial_ends_at"]
    resumed = await api.send("POST", f"{path}/resume", headers=OPERATOR)
    assert (resumed.json()["data"]["ends_at"], resumed.json()["data"]["next_plan"]) == (None, None)
    problem(await api.send("POST", f"{path}/resume", headers=OPERATOR), 409, "nothing_scheduled")
    stale = {**OPERATOR, "If-Match": '"1"'}
    problem(await api.send("PATCH", path, change, headers=stale), 412, "stale")


async def test_a_start_in_the_past_and_an_unknown_tenant_are_refused(api: Api) -> None:
    plan = await a_plan(api)
    body = {"tenant_id": await a_tenant(api), "plan_id": plan["plan_id"]}
    past = {**body, "starts_at": "2020-01-01T00:00:00Z"}
    refused = await api.send("POST", "/subscriptions", past, headers=OPERATOR)
    problem(refused, 409, "start_in_the_past")
    unknown = {**body, "tenant_id": str(api.world.ids.new())}
    response = await api.send("POST", "/subscriptions", unknown, headers=OPERATOR)
    problem(response, 404, "not_found")
