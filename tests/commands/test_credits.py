"""Credits are given by who manages the tenant, and expire when their time has come."""

from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.credits import ExpireCredits, GrantCredits, WithdrawCredits
from commands.dispatch import Dispatcher
from commands.tenants import CreateTenant
from domain.credits import CreditGrantNotFound
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.tenants import TenantNotFound
from sagas.deadlines import DeadlineSaga
from tests.commands.fakes import World
from tests.sagas.fake_deadlines import FakeDeadlines

ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")
RESELLER = frozenset({"tenants:create", "credits:write"})


@pytest.fixture
def world() -> World:
    return World()


async def a_tenant(world: World, caller: Caller | None = None) -> UUID:
    answer = await world.when(ACME, caller=caller or world.operator)
    return UUID(str(answer.result["tenant_id"]))


async def test_credits_can_be_used_until_their_time_is_over(world: World) -> None:
    tenant_id = await a_tenant(world)
    ends = world.clock.now() + timedelta(days=30)
    limited = GrantCredits(tenant_id, "25.50", "promotional", expires_at=ends)
    answer = await world.when(limited, caller=world.operator)
    assert (answer.result["left_usd"], answer.result["available_usd"]) == ("25.5", "25.5")
    answer = await world.when(GrantCredits(tenant_id, "10", "purchased"), caller=world.operator)
    assert answer.result["available_usd"] == "35.5"
    deadlines = FakeDeadlines(world)
    dispatcher = Dispatcher(world.ports)
    saga = DeadlineSaga(deadlines, dispatcher, world.clock, world.ids, "worker:1", poll_s=1)
    assert not await saga.work_once()
    world.clock.pass_time(days=30)
    assert await saga.work_once()
    assert world.store.topics[-1] == "credit_account.expired"
    assert not await saga.work_once(), "nothing more expires"


async def test_what_was_given_by_mistake_is_withdrawn(world: World) -> None:
    tenant_id = await a_tenant(world)
    answer = await world.when(GrantCredits(tenant_id, "1", "included"), caller=world.operator)
    grant_id = UUID(str(answer.result["grant_id"]))
    withdrawn = await world.when(
        WithdrawCredits(tenant_id, grant_id, "typo"), caller=world.operator
    )
    assert withdrawn.result["left_usd"] == "0"


async def test_credits_that_would_be_over_before_they_count_are_refused(world: World) -> None:
    tenant_id, now = await a_tenant(world), world.clock.now()
    for effective_at, expires_at in (
        (None, now),
        (now + timedelta(days=2), now + timedelta(days=1)),
    ):
        command = GrantCredits(
            tenant_id, "1", "included", effective_at=effective_at, expires_at=expires_at
        )
        with pytest.raises(Invalid):
            await world.when(command, caller=world.operator)


async def test_a_reseller_gives_credits_to_its_own_customers_only(world: World) -> None:
    rita = Caller("user:rita", TenantId(world.ids.new()), RESELLER)
    theirs, ours = await a_tenant(world, rita), await a_tenant(world)
    answer = await world.when(GrantCredits(theirs, "1", "promotional"), caller=rita)
    grant_id = UUID(str(answer.result["grant_id"]))
    with pytest.raises(TenantNotFound):
        await world.when(GrantCredits(ours, "1", "promotional"), caller=rita)
    with pytest.raises(CreditGrantNotFound):
        await world.when(WithdrawCredits(ours, grant_id, "x"), caller=world.operator)
    with pytest.raises(TenantNotFound):
        await world.when(WithdrawCredits(ours, grant_id, "x"), caller=rita)


async def test_no_tenant_gives_itself_credits(world: World) -> None:
    for command in (GrantCredits(world.tenant_id, "1", "promotional"), ExpireCredits()):
        with pytest.raises(MissingScope):
            await world.when(command)
