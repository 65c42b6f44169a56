"""A tenant says what it pays with at a page of the provider, and the provider tells."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.dispatch import Dispatcher
from commands.payment_port import PaymentProviderUnavailable, PaymentsNotSetUp
from commands.payments import (
    EventOfNobody,
    OpenCheckout,
    PaidToReseller,
    ReceiveProviderEvent,
)
from commands.ports import DuplicateCommand
from commands.tenants import CreateTenant
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.payments import PaymentAccount, payment_account_id
from tests.commands.fakes import World

ACME = CreateTenant("Acme", "ada@example.com", "correct horse battery")
PAGE = OpenCheckout("https://app.example.com/paid", "https://app.example.com/plans")
SCOPES = frozenset({ReceiveProviderEvent.requires})


@pytest.fixture
def world() -> World:
    return World()


async def a_tenant(world: World, caller: Caller | None = None) -> Caller:
    """Its administrator."""
    made = await world.when(ACME, caller=caller or world.operator)
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    return Caller("api_key:admin", tenant_id, frozenset({"*"}))


async def account_of(world: World, admin: Caller) -> PaymentAccount | None:
    assert admin.tenant_id is not None
    return await world.store.load(
        PaymentAccount, payment_account_id(admin.tenant_id), admin.tenant_id
    )


async def told(world: World, checkout_id: str, event_id: str = "evt_1") -> JsonObject:
    """What the provider hears when it tells of a page."""
    tenant_id = world.payments.checkouts[checkout_id].tenant_id or PLATFORM
    event = ReceiveProviderEvent(event_id, "checkout.session.completed", "checkout", checkout_id)
    caller = Caller("stripe", tenant_id, SCOPES)
    return (await world.when(event, key=event_id, caller=caller)).result


async def test_what_is_saved_at_the_page_is_paid_with_from_then_on(world: World) -> None:
    admin = await a_tenant(world)
    page = (await world.when(PAGE, caller=admin)).result
    assert page["url"] == "https://pay.example.com/cs_1"
    world.payments.complete("cs_1", "pm_visa")
    assert (await told(world, "cs_1"))["is_handled"] is True
    account = await account_of(world, admin)
    assert account is not None
    assert (account.customer_id, account.method_id) == ("cus_1", "pm_visa")


async def test_a_tenant_is_one_customer_however_often_it_comes(world: World) -> None:
    admin = await a_tenant(world)
    await world.when(PAGE, caller=admin)
    await world.when(PAGE, caller=admin)
    assert len(world.payments.customers) == 1
    assert {one.customer_id for one in world.payments.requests.values()} == {"cus_1"}


async def test_the_present_state_counts_and_not_what_an_event_says(world: World) -> None:
    admin = await a_tenant(world)
    await world.when(PAGE, caller=admin)
    await told(world, "cs_1")
    account = await account_of(world, admin)
    assert account is not None
    assert account.method_id is None


async def test_an_event_counts_once(world: World) -> None:
    admin = await a_tenant(world)
    await world.when(PAGE, caller=admin)
    world.payments.complete("cs_1")
    first = await told(world, "cs_1")
    before = len(world.store.events)
    world.payments.is_away = True  # Nobody is asked the second time.
    with pytest.raises((PaymentProviderUnavailable, DuplicateCommand)):
        await told(world, "cs_1", "evt_2")
    assert await told(world, "cs_1") == first
    assert len(world.store.events) == before


async def test_a_page_of_another_tenant_changes_nothing(world: World) -> None:
    admin, other = await a_tenant(world), await a_tenant(world)
    await world.when(PAGE, caller=admin)
    await world.when(PAGE, caller=other)
    world.payments.complete("cs_1")
    event = ReceiveProviderEvent("evt_1", "checkout.session.completed", "checkout", "cs_1")
    with pytest.raises(EventOfNobody):
        await world.when(event, caller=Caller("stripe", other.tenant_id, SCOPES))


async def test_without_a_provider_nobody_pays(world: World) -> None:
    admin = await a_tenant(world)
    world.dispatcher = Dispatcher(replace(world.ports, payments=None))
    with pytest.raises(PaymentsNotSetUp):
        await world.when(PAGE, caller=admin)


async def test_who_has_a_reseller_pays_the_reseller(world: World) -> None:
    reseller = world.caller_with("tenants:create", "payments:write")
    customer = await a_tenant(world, reseller)
    with pytest.raises(PaidToReseller):
        await world.when(PAGE, caller=customer)


async def test_nobody_else_tells_what_became_of_payments(world: World) -> None:
    event = ReceiveProviderEvent("evt_1", "checkout.session.completed", "checkout", "cs_1")
    for caller in (world.caller, world.operator):
        with pytest.raises(MissingScope):
            await world.when(event, caller=caller)
