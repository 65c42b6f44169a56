"""What a tenant holds its calls to."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import MissingScope
from commands.call_limits import LimitTenant
from commands.plan_port import STANDARD, StoredOwnLimits
from commands.ports import Envelope
from domain.call_limits import TENANT_LIMITS, CallLimit
from domain.errors import Invalid
from domain.identifiers import TenantId
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


def test_a_call_counts_in_the_narrower_limits_of_its_tenant_and_in_those_of_its_agent() -> None:
    tenant_id, agent_id = TenantId(UUID(int=1)), UUID(int=2)
    plan = replace(STANDARD, limits={"concurrent_calls": 9, "tokens_per_min": 50})
    own = replace(plan, own_limits={"concurrent_calls": 3, "cost_usd_per_min": "1"})
    tenant_only = [CallLimit(tenant_id, 3, 50, 10**12)]
    assert own.call_limits(tenant_id, "agent", agent_id) == tenant_only
    limited_agent = replace(own, agent_limits={str(agent_id): {"concurrent_calls": 12}})
    both = [*tenant_only, CallLimit(agent_id, 12, None, None)]
    assert limited_agent.call_limits(tenant_id, "agent", agent_id) == both
    assert "llm" in replace(STANDARD, own_limits={"tokens_per_min": 1}).limited_types
    assert not STANDARD.limited_types
