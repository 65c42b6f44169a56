"""What a tenant holds its calls to."""

import pytest

from commands.authorization import MissingScope
from commands.call_limits import LimitTenant
from commands.plan_port import StoredOwnLimits
from commands.ports import Envelope
from domain.call_limits import TENANT_LIMITS
from domain.errors import Invalid
from domain.tenants import Tenant
from tests.commands.fakes import World
from tests.commands.test_plans import limited


async def the_tenant() -> World:
    world = World()
    tenant = Tenant(id=world.tenant_id, name="Acme", region="us", time_zone="UTC", reseller_id=None)
    await world.store.append([tenant], Envelope(world.tenant_id, "operator"))
    return world


async def test_the_limits_of_a_tenant_are_told_beside_the_log() -> None:
    world = await the_tenant()
    answer = await world.when(LimitTenant({"concurrent_calls": 2}))
    rest = dict.fromkeys(TENANT_LIMITS[1:])
    assert answer.result == {"limits": {"concurrent_calls": 2, **rest}}
    assert world.store.topics[-1] == "tenant.limited"
    assert world.store.side_rows[-1] == StoredOwnLimits({"concurrent_calls": 2})
    stored = len(world.store.events), len(world.store.side_rows)
    await world.when(LimitTenant({"concurrent_calls": 2, "tokens_per_min": None}))
    assert (len(world.store.events), len(world.store.side_rows)) == stored
    await world.when(LimitTenant({}))
    assert world.store.side_rows[-1] == StoredOwnLimits({})


async def test_a_tenant_sets_no_limit_that_is_wider_than_its_plan() -> None:
    world = await the_tenant()
    limited(world, concurrent_calls=5, cost_usd_per_min="1.5", concurrent_http_calls=3)
    wider = {"concurrent_calls": 6, "cost_usd_per_min": "1.51", "concurrent_http_calls": 4}
    with pytest.raises(Invalid) as refusal:
        await world.when(LimitTenant({**wider, "tokens_per_min": 1}))
    assert [(one.path, one.code) for one in refusal.value.errors] == [
        ("/concurrent_calls", "over_plan"),
        ("/cost_usd_per_min", "over_plan"),
        ("/concurrent_http_calls", "over_plan"),
    ]
    await world.when(LimitTenant({"concurrent_calls": 5, "cost_usd_per_min": "1.50"}))


async def test_only_who_may_change_the_tenant_limits_it() -> None:
    world = await the_tenant()
    with pytest.raises(MissingScope):
        await world.when(LimitTenant({}), caller=world.caller_with("agents:write", "budgets:write"))
