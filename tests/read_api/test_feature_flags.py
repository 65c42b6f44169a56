"""What is switched on for the caller."""

from commands.authorization import Caller
from domain.feature_flags import BUILT_IN, SCIM
from infra.feature_rows import WHOLE_TENANT
from tests.projections.histories import IDS
from tests.read_api.api import KEY, Api

QUERY = "{ featureFlags { name description enabled reason } }"


async def test_flags_are_told_with_who_says_so_for_the_person_who_asks(api: Api) -> None:
    ada = IDS.new()
    async with (await api.ledger.database("writer")).connection() as conn:
        for user_id, is_enabled in ((WHOLE_TENANT, False), (ada, True)):
            await conn.execute(
                "INSERT INTO feature_overrides"
                " (tenant_id, name, user_id, is_by_operator, is_enabled)"
                " VALUES (%s, %s, %s, true, %s)",
                (api.tenant_id, SCIM, user_id, is_enabled),
            )
    told = {flag["name"]: flag for flag in (await api.read(QUERY))["featureFlags"]}
    assert set(told) == set(BUILT_IN)
    assert told[SCIM] == {
        "name": SCIM,
        "description": BUILT_IN[SCIM],
        "enabled": False,
        "reason": "operator",
    }
    assert told["webhooks"]["reason"] == "default"
    api.callers.known[KEY] = Caller("user:ada", api.tenant_id, frozenset({"read"}), ada)
    told = {flag["name"]: flag for flag in (await api.read(QUERY))["featureFlags"]}
    assert told[SCIM]["enabled"] is True


async def test_flags_are_a_tenants(api: Api) -> None:
    api.callers.known[KEY] = Caller("operator", None, frozenset(), is_operator=True)
    assert await api.refused(QUERY) == "forbidden"
