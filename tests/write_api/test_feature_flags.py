"""/feature-flags, of a tenant, of one's own tenant, and what flags stand before."""

import pytest

from domain.feature_flags import BUILT_IN, OWN_PROVIDERS, SCIM, WEBHOOKS, FlagText
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
BETA = {"description": "beta", "is_enabled": False, "percentage": 20}


async def test_the_operator_defines_lists_and_removes_flags(api: Api) -> None:
    defined = await api.send("PUT", "/feature-flags/beta", BETA, headers=OPERATOR)
    assert defined.json()["data"] == {
        **BETA,
        "name": "beta",
        "rollout_by": "tenant",
        "is_for_tenants": False,
        "version": 2,
    }
    listed = await api.send("GET", "/feature-flags", headers=OPERATOR)
    flags = {flag["name"]: flag for flag in listed.json()["data"]["flags"]}
    assert set(flags) == set(BUILT_IN)
    assert all(flag["is_enabled"] and flag["is_built_in"] for flag in flags.values())
    removed = await api.send("DELETE", "/feature-flags/beta", headers=OPERATOR)
    assert removed.json()["data"] == {"name": "beta", "is_removed": True}
    again = await api.send("DELETE", "/feature-flags/beta", headers=OPERATOR)
    problem(again, 404, "not_found")


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ({**BETA, "percentage": 101}, ("/percentage", "less_than_equal")),
        ({**BETA, "percentage": 0.5}, ("/percentage", "int_type")),
        ({**BETA, "rollout_by": "moon"}, ("/rollout_by", "literal_error")),
        ({"description": "beta"}, ("/is_enabled", "missing_field")),
        ({**BETA, "name": "other"}, ("/name", "unknown_field")),
    ],
)
async def test_a_flag_that_makes_no_sense_is_refused(
    api: Api, body: object, mistake: tuple[str, str]
) -> None:
    response = await api.send("PUT", "/feature-flags/beta", body, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [mistake]
    bad_name = await api.send("PUT", "/feature-flags/Beta", BETA, headers=OPERATOR)
    assert problem(bad_name, 422, "invalid") == [("path:name", "invalid_name")]


async def test_a_tenant_is_told_what_is_on_to_the_operator_only(api: Api) -> None:
    api.world.features.switch_off(SCIM)
    path = f"/tenants/{api.world.tenant_id}/feature-flags"
    told = await api.send("GET", path, headers=OPERATOR)
    flags = {flag["name"]: flag for flag in told.json()["data"]["flags"]}
    assert flags[SCIM] == {"name": SCIM, "enabled": False, "reason": "default", "overrides": []}
    problem(await api.send("GET", path), 403, "forbidden")
    problem(await api.send("GET", "/feature-flags"), 403, "forbidden")


async def test_the_operator_and_an_administrator_override(api: Api) -> None:
    created = await api.send("POST", "/tenants", TENANT, headers=OPERATOR)
    tenant_id = created.json()["data"]["tenant_id"]
    path = f"/tenants/{tenant_id}/feature-flags/{SCIM}"
    body = {"is_enabled": False, "user_id": created.json()["data"]["user_id"]}
    told = await api.send("PUT", path, body, headers=OPERATOR)
    assert told.json()["data"] == {"tenant_id": tenant_id, "name": SCIM, **body}
    problem(await api.send("PUT", path, body), 403, "forbidden")
    own = f"/tenant/feature-flags/{SCIM}"
    problem(await api.send("PUT", own, {"is_enabled": True}), 404, "not_found")
    wrong = await api.send("PUT", own, {"is_enabled": "yes", "user_id": "ada"})
    assert {path for path, _ in problem(wrong, 422, "invalid")} == {"/is_enabled", "/user_id"}


async def test_a_provider_of_ones_own_is_refused_where_that_is_off(api: Api) -> None:
    api.world.features.switch_off(OWN_PROVIDERS)
    body = {"kind": "openai", "api_key": "sk-1"}
    problem(await api.send("PUT", "/providers/ours", body), 403, "feature_off")


async def test_a_webhook_that_is_off_looks_like_one_that_is_not_there(api: Api) -> None:
    api.world.features.texts[WEBHOOKS] = FlagText("off", is_enabled=False)
    execution_id = api.world.ids.new()
    path = api.webhook_keys.path(api.world.tenant_id, execution_id) + "/paid"
    response = await api.client.post(f"http://ledger{path}", json={})
    problem(response, 404, "not_found")
