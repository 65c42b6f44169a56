"""Subscriptions are made by who manages the tenant, and its limits follow them."""

from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.deadline_port import StoredDeadline
from commands.decisions import VersionMismatch
from commands.dispatch import Dispatcher
from commands.plan_port import StoredTenantPlan
from commands.plans import ArchivePlan, AssignPlan, CreatePlan, PlanOfSubscription
from commands.subscriptions import (
    AdvanceSubscription,
    CancelSubscription,
    ChangeSubscription,
    ResumeSubscription,
    Subscribe,
)
from commands.tenants import CreateTenant
from domain.identifiers import JsonObject, TenantId
from domain.plans import STANDARD_ID, PlanArchived, PlanNotFound
from domain.subscriptions import SubscriptionNotFound, subscription_id
from domain.tenants import TenantNotFound
from sagas.deadlines import DeadlineSaga
from tests.commands.fakes import NOON, World
from tests.sagas.fake_deadlines import FakeDeadlines

ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery", time_zone="Europe/Oslo")
RESELLER = frozenset({"tenants:create", "subscriptions:write"})
TERMS: JsonObject = {
    "interval": "month",
    "recurring_usd": "49",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [],
}


@pytest.fixture
def world() -> World:
    return World()


async def a_plan(world: World, *, is_for_resellers: bool = False) -> UUID:
    command = CreatePlan("Team", {"users": 5}, is_for_resellers, TERMS)
    answer = await world.when(command, caller=world.operator)
    return UUID(str(answer.result["plan_id"]))


async def a_tenant(world: World, caller: Caller | None = None) -> UUID:
    answer = await world.when(ACME, caller=caller or world.operator)
    return UUID(str(answer.result["tenant_id"]))


async def subscribed(world: World, *, trial_days: int | None = None) -> tuple[UUID, UUID]:
    tenant_id, plan_id = await a_tenant(world), await a_plan(world)
    await world.when(Subscribe(tenant_id, plan_id, trial_days=trial_days), caller=world.operator)
    return tenant_id, plan_id


def plans_stored(world: World) -> list[StoredTenantPlan]:
    return [row for row in world.store.side_rows if isinstance(row, StoredTenantPlan)]


def deadlines_stored(world: World) -> list[StoredDeadline]:
    return [row for row in world.store.side_rows if isinstance(row, StoredDeadline)]


def a_saga(world: World) -> DeadlineSaga:
    deadlines = FakeDeadlines(world)
    dispatcher = Dispatcher(world.ports)
    return DeadlineSaga(deadlines, dispatcher, world.clock, world.ids, "worker:1", poll_s=1)


async def test_the_tenant_is_on_the_version_that_it_pays_for_in_its_own_calendar(
    world: World,
) -> None:
    tenant_id, plan_id = await a_tenant(world), await a_plan(world)
    answer = await world.when(Subscribe(tenant_id, plan_id), caller=world.operator)
    told = {"status", "plan_version", "time_zone", "period_end"}
    assert {name: answer.result[name] for name in told} == {
        "status": "active",
        "plan_version": 1,
        "time_zone": "Europe/Oslo",
        "period_end": "2026-12-21T12:00:00+00:00",
    }
    assert plans_stored(world) == [StoredTenantPlan(plan_id, 1, {})]
    stream_id = subscription_id(TenantId(tenant_id))
    due_at = NOON + timedelta(days=30)
    assert deadlines_stored(world) == [StoredDeadline("subscription", stream_id, due_at)]


async def test_a_trial_is_on_the_plan_and_one_that_begins_later_is_not_yet(world: World) -> None:
    _, plan_id = await subscribed(world, trial_days=14)
    assert plans_stored(world) == [StoredTenantPlan(plan_id, 1, {})]
    later = Subscribe(
        await a_tenant(world), plan_id, starts_at=world.clock.now() + timedelta(days=3)
    )
    assert (await world.when(later, caller=world.operator)).result["status"] == "scheduled"
    assert len(plans_stored(world)) == 1


async def test_limits_follow_a_change_at_once_and_others_when_their_time_comes(
    world: World,
) -> None:
    tenant_id, first = await subscribed(world)
    second = await a_plan(world)
    change = ChangeSubscription(tenant_id, second, None, "period_end")
    answer = await world.when(change, caller=world.operator)
    assert answer.result["next_plan"] is not None
    assert [row.plan_id for row in plans_stored(world)] == [first]
    saga = a_saga(world)
    assert not await saga.work_once(), "nothing is due yet"
    world.clock.pass_time(days=30)
    assert await saga.work_once()
    assert [row.plan_id for row in plans_stored(world)] == [first, second]
    assert world.store.topics[-3:] == [
        "subscription.plan_changed",
        "subscription.period_started",
        "tenant.plan_changed",
    ]
    await world.when(ChangeSubscription(tenant_id, first, None, "now"), caller=world.operator)
    assert plans_stored(world)[-1].plan_id == first


async def test_after_the_end_the_tenant_is_on_the_plan_of_everybody(world: World) -> None:
    tenant_id, _ = await subscribed(world)
    cancel = CancelSubscription(tenant_id, "period_end", "too dear")
    await world.when(cancel, caller=world.operator)
    resume = ResumeSubscription(tenant_id)
    assert (await world.when(resume, caller=world.operator)).result["ends_at"] is None
    await world.when(CancelSubscription(tenant_id, "now", ""), caller=world.operator)
    assert plans_stored(world)[-1] == StoredTenantPlan(STANDARD_ID, None, {})
    assert deadlines_stored(world)[-1].due_at is None
    assert not await a_saga(world).work_once()


async def test_a_month_goes_by_for_each_deadline_and_none_is_lost(world: World) -> None:
    await subscribed(world)
    saga = a_saga(world)
    for _ in range(3):
        world.clock.pass_time(days=31)
        assert await saga.work_once()
    assert world.store.topics.count("subscription.period_started") == 4


async def test_the_plan_of_a_subscription_is_not_changed_beside_it(world: World) -> None:
    tenant_id, plan_id = await subscribed(world)
    for beside in (
        AssignPlan(tenant_id, STANDARD_ID, None, {}),
        AssignPlan(tenant_id, plan_id, None, {}),
    ):
        with pytest.raises(PlanOfSubscription):
            await world.when(beside, caller=world.operator)
    await world.when(AssignPlan(tenant_id, plan_id, 1, {"users": 9}), caller=world.operator)
    assert plans_stored(world)[-1].overrides == {"users": 9}


async def test_a_reseller_subscribes_its_own_customers_to_what_it_is_offered(world: World) -> None:
    rita = Caller("user:rita", TenantId(world.ids.new()), RESELLER)
    theirs, ours = await a_tenant(world, rita), await a_tenant(world)
    hidden, offered = await a_plan(world), await a_plan(world, is_for_resellers=True)
    with pytest.raises(TenantNotFound):
        await world.when(Subscribe(ours, offered), caller=rita)
    with pytest.raises(PlanNotFound):
        await world.when(Subscribe(theirs, hidden), caller=rita)
    await world.when(Subscribe(theirs, offered), caller=rita)
    with pytest.raises(PlanNotFound):
        await world.when(ChangeSubscription(theirs, hidden, None, "now"), caller=rita)
    other = Caller("user:eve", TenantId(world.ids.new()), RESELLER)
    for theft in (
        CancelSubscription(theirs, "now", ""),
        ResumeSubscription(theirs),
        ChangeSubscription(theirs, offered, None, "now"),
    ):
        with pytest.raises(TenantNotFound):
            await world.when(theft, caller=other)


async def test_nobody_with_a_credential_of_a_tenant_says_what_it_pays(world: World) -> None:
    with pytest.raises(MissingScope):
        await world.when(Subscribe(world.tenant_id, STANDARD_ID))
    with pytest.raises(MissingScope):
        await world.when(AdvanceSubscription())


async def test_what_is_not_there_or_not_offered_is_refused(world: World) -> None:
    tenant_id, plan_id = await a_tenant(world), await a_plan(world)
    with pytest.raises(SubscriptionNotFound):
        await world.when(ResumeSubscription(tenant_id), caller=world.operator)
    await world.when(ArchivePlan(plan_id), caller=world.operator)
    with pytest.raises(PlanArchived):
        await world.when(Subscribe(tenant_id, plan_id), caller=world.operator)


async def test_who_saw_another_version_changes_nothing(world: World) -> None:
    tenant_id, _ = await subscribed(world)
    stale = CancelSubscription(tenant_id, "now", "", expected_version=1)
    with pytest.raises(VersionMismatch):
        await world.when(stale, caller=world.operator)
