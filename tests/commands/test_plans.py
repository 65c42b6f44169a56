"""Plans are the operator's; which one a tenant is on is said by who manages the tenant."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent
from commands.authorization import Caller, MissingScope
from commands.dispatch import Dispatcher
from commands.execution_commands import RetryExecution
from commands.plan_port import (
    AdmittedExecution,
    ArchivedPlan,
    CountedPart,
    RemovedPart,
    ReopenedExecution,
    StoredPlan,
    StoredTenantPlan,
    TenantPlan,
)
from commands.plans import ArchivePlan, AssignPlan, CreatePlan, RevisePlan
from commands.tenants import CreateTenant, SetRetention
from domain.errors import Invalid
from domain.identifiers import PLATFORM, Json, TenantId
from domain.plans import STANDARD_ID, PlanArchived, PlanNotFound, PlanVersionNotFound
from domain.tenants import TenantNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, refused, worked

TEAM = CreatePlan("Team", {"users": 5, "agents": None}, is_for_resellers=False)
ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")
PROFILE: dict[str, Json] = {
    "name": "Writer",
    "role": None,
    "model": "offline/echo",
    "instructions": "",
    "tools": [],
    "parameters": {},
}


class TheirPlan:
    """Implements Plans: the same for everybody."""

    def __init__(self, **limits: Json) -> None:
        self.plan = TenantPlan(STANDARD_ID, 1, "standard", limits)

    async def of(self, tenant_id: TenantId) -> TenantPlan:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantPlan:  # noqa: ARG002 # the port's
        return self.plan


def limited(world: World, **limits: Json) -> None:
    world.ports = replace(world.ports, plans=TheirPlan(**limits))
    world.dispatcher = Dispatcher(world.ports)


async def made(world: World, command: CreatePlan = TEAM) -> UUID:
    answer = await world.when(command, caller=world.operator)
    return UUID(str(answer.result["plan_id"]))


async def a_tenant(world: World, caller: Caller | None = None) -> UUID:
    answer = await world.when(ACME, caller=caller or world.operator)
    return UUID(str(answer.result["tenant_id"]))


def on_plan(tenant_id: UUID, plan_id: UUID, version: int | None = None, **own: Json) -> AssignPlan:
    return AssignPlan(tenant_id, plan_id, version, own)


def a_reseller(world: World) -> Caller:
    return world.caller_with("tenants:create", "tenants:manage", actor="user:rita")


async def test_a_plan_belongs_to_no_tenant_and_says_what_it_limits() -> None:
    world = World()
    plan_id = await made(world)
    assert [str(envelope.tenant_id) for envelope in world.store.envelopes] == [str(PLATFORM)]
    assert world.store.side_rows == [StoredPlan(plan_id, 1, "Team", {"users": 5}, False, None)]


async def test_a_revision_is_stored_as_the_next_version() -> None:
    world = World()
    plan_id = await made(world)
    change = RevisePlan(plan_id, None, {"users": 7}, is_for_resellers=True)
    answer = await world.when(change, caller=world.operator)
    assert (answer.result["plan_version"], answer.result["version"]) == (2, 2)
    assert world.store.side_rows[-1] == StoredPlan(plan_id, 2, "Team", {"users": 7}, True, None)


async def test_the_standard_plan_is_there_before_anybody_revised_it() -> None:
    world = World()
    nothing = RevisePlan(STANDARD_ID, None, {}, None)
    assert (await world.when(nothing, caller=world.operator)).result["limits"] == {}
    assert world.store.events == []
    change = RevisePlan(STANDARD_ID, None, {"users": 3}, None)
    assert (await world.when(change, caller=world.operator)).result["plan_version"] == 2
    assert world.store.topics == ["plan.created", "plan.revised"]


async def test_an_archived_plan_takes_no_tenants() -> None:
    world = World()
    plan_id, tenant_id = await made(world), await a_tenant(world)
    await world.when(ArchivePlan(plan_id), caller=world.operator)
    assert world.store.side_rows[-1] == ArchivedPlan(plan_id)
    with pytest.raises(PlanArchived):
        await world.when(on_plan(tenant_id, plan_id), caller=world.operator)


async def test_a_tenant_is_put_on_a_version_or_follows_the_newest() -> None:
    world = World()
    plan_id, tenant_id = await made(world), await a_tenant(world)
    for version in (None, 1):
        answer = await world.when(
            on_plan(tenant_id, plan_id, version, users=None, secrets=2), caller=world.operator
        )
        assert answer.result["limits"] == {"secrets": 2}
        assert answer.result["follows_newest"] is (version is None)
        assert world.store.side_rows[-1] == StoredTenantPlan(
            plan_id, version, {"users": None, "secrets": 2}
        )
    with pytest.raises(PlanVersionNotFound):
        await world.when(on_plan(tenant_id, plan_id, 2), caller=world.operator)
    assert world.store.topics[-1] == "tenant.plan_changed"


async def test_a_burst_is_no_larger_than_what_a_minute_brings() -> None:
    world = World()
    for limits in ({"requests_burst": 5}, {"requests_burst": 5, "requests_per_min": 4}):
        with pytest.raises(Invalid) as refusal:
            await made(world, CreatePlan("Fast", limits, is_for_resellers=False))
        assert [one.path for one in refusal.value.errors] == ["/limits/requests_burst"]


async def test_a_reseller_uses_what_it_may_for_its_own_customers_only() -> None:
    world = World()
    reseller = a_reseller(world)
    customer, stranger = await a_tenant(world, reseller), await a_tenant(world)
    hidden = await made(world)
    shown = await made(world, CreatePlan("Resold", {"users": 5}, is_for_resellers=True))
    await world.when(on_plan(customer, shown, users=4), caller=reseller)
    with pytest.raises(PlanNotFound):
        await world.when(on_plan(customer, hidden), caller=reseller)
    with pytest.raises(TenantNotFound):
        await world.when(on_plan(stranger, shown), caller=reseller)
    with pytest.raises(Invalid):
        await world.when(on_plan(customer, shown, users=None), caller=reseller)
    for command in (TEAM, ArchivePlan(shown), RevisePlan(shown, "Free", {}, None)):
        with pytest.raises(MissingScope):
            await world.when(command, caller=reseller)


async def test_an_administrator_does_not_choose_the_plan_of_the_tenant() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(on_plan(world.tenant_id, STANDARD_ID))


async def test_agents_are_counted_where_they_are_made_and_deleted() -> None:
    world = World()
    (made_one,) = await world.given(CreateAgent(PROFILE))
    agent_id = UUID(str(made_one["agent_id"]))
    await world.when(DeleteAgent(agent_id))
    rows = [row for row in world.store.side_rows if isinstance(row, CountedPart | RemovedPart)]
    assert rows == [CountedPart("agents", agent_id), RemovedPart("agents", agent_id)]


async def test_executions_are_counted_only_where_a_plan_limits_them() -> None:
    world = World()
    (made_one,) = await world.given(CreateAgent(PROFILE))
    execute = ExecuteAgent(UUID(str(made_one["agent_id"])), "hi")
    await world.when(execute)
    assert AdmittedExecution() not in world.store.side_rows
    limited(world, executions_per_month=5)
    await world.when(execute)
    assert world.store.side_rows[-1] == AdmittedExecution()


async def test_a_run_that_is_retried_is_one_at_once_again() -> None:
    world = World()
    limited(world, concurrent_executions=5)
    execution_id = await a_run(world, a_chain(an_llm("a")))
    await worked(world, execution_id, refused("a"))
    await world.when(RetryExecution(execution_id))
    assert world.store.side_rows[-1] == ReopenedExecution()


async def test_payloads_are_kept_no_longer_than_the_plan_says() -> None:
    world = World()
    limited(world, retention_days=30)
    for days in (None, 31):
        with pytest.raises(Invalid) as refusal:
            await world.when(SetRetention(days))
        assert [one.code for one in refusal.value.errors] == ["over_plan"]
