"""A tenant says what it pays with and buys plans at pages of the provider, and is given back what
it paid; whatever the provider tells, in whatever order.
"""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.dispatch import Dispatcher
from commands.payment_port import (
    PaymentsNotSetUp,
)
from commands.payments import (
    CollectPayment,
    EventOfNobody,
    PaidToReseller,
    ReceiveProviderEvent,
    RefundPayment,
)
from commands.plan_purchases import AlreadyOnPlan, PlanNotForSale
from commands.plans import CreatePlan
from domain.credits import CreditAccount, credit_account_id
from domain.identifiers import Json
from domain.payment_accounts import PAGES_MAX, TooManyPages
from domain.payments import (
    NothingToRefund,
    PaymentNotFound,
)
from domain.subscriptions import Subscription, subscription_id
from tests.commands.fakes import World
from tests.commands.payment_steps import TELLS, Payer, a_page

TERMS: dict[str, Json] = {
    "interval": "month",
    "recurring_usd": "49.005",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [],
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def payer(world: World) -> Payer:
    return await Payer.of(world)


async def a_plan(world: World, terms: dict[str, Json] | None = TERMS) -> UUID:
    command = CreatePlan("Team", {}, is_for_resellers=False, terms=terms)
    return UUID(str((await world.when(command, caller=world.operator)).result["plan_id"]))


async def subscription_of(payer: Payer) -> Subscription | None:
    stream_id = subscription_id(payer.tenant_id)
    return await payer.world.store.load(Subscription, stream_id, payer.tenant_id)


async def credit_usd(payer: Payer) -> Decimal:
    stream_id = credit_account_id(payer.tenant_id)
    account = await payer.world.store.load(CreditAccount, stream_id, payer.tenant_id)
    if account is None:
        return Decimal(0)
    return Decimal(account.available_pico(payer.world.clock.now())) / 10**12


# What is paid with.


async def test_what_is_saved_at_the_page_is_paid_with_from_then_on(payer: Payer) -> None:
    opened = await payer.opens(a_page())
    assert (opened["url"], opened["amount"]) == ("https://pay.example.com/cs_1", None)
    payer.world.payments.complete("cs_1", "pm_visa")
    assert (await payer.told("cs_1"))["is_handled"] is True
    account = await payer.account()
    assert account is not None
    assert (account.customer_id, account.method_id) == ("cus_1", "pm_visa")


async def test_a_tenant_is_one_customer_however_often_it_comes(payer: Payer) -> None:
    await payer.opens(a_page())
    await payer.opens(a_page())
    payments = payer.world.payments
    assert len(payments.customers) == 1
    assert {one.customer_id for one in payments.requests.values()} == {"cus_1"}


async def test_the_present_state_counts_and_not_what_an_event_says(payer: Payer) -> None:
    await payer.opens(a_page())
    await payer.told("cs_1")
    account = await payer.account()
    assert account is not None
    assert account.method_id is None


async def test_an_event_counts_once(payer: Payer) -> None:
    await payer.opens(a_page())
    payer.world.payments.complete("cs_1")
    first = await payer.told("cs_1", "evt_1")
    before = len(payer.world.store.events)
    payer.world.payments.complete("cs_1", "pm_other")
    assert await payer.told("cs_1", "evt_1") == first
    assert len(payer.world.store.events) == before


async def test_a_page_of_another_tenant_changes_nothing(world: World, payer: Payer) -> None:
    other = await Payer.of(world)
    await payer.opens(a_page())
    await other.opens(a_page())
    world.payments.complete("cs_1")
    event = ReceiveProviderEvent("evt_1", "checkout.session.completed", "checkout", "cs_1")
    with pytest.raises(EventOfNobody):
        await world.when(event, caller=Caller("stripe", other.tenant_id, TELLS))


async def test_without_a_provider_nobody_pays(world: World, payer: Payer) -> None:
    world.dispatcher = Dispatcher(replace(world.ports, payments=None))
    with pytest.raises(PaymentsNotSetUp):
        await payer.opens(a_page())


async def test_who_has_a_reseller_pays_the_reseller(world: World) -> None:
    customer = await Payer.of(world, world.caller_with("tenants:create"))
    with pytest.raises(PaidToReseller):
        await customer.opens(a_page())


async def test_one_tenant_opens_so_many_pages_an_hour(payer: Payer) -> None:
    for _ in range(PAGES_MAX):
        await payer.opens(a_page())
    with pytest.raises(TooManyPages):
        await payer.opens(a_page())


async def test_nobody_else_tells_what_became_of_payments_or_collects(world: World) -> None:
    event = ReceiveProviderEvent("evt_1", "checkout.session.completed", "checkout", "cs_1")
    for caller in (world.caller, world.operator):
        for command in (event, CollectPayment(UUID(int=1))):
            with pytest.raises(MissingScope):
                await world.when(command, caller=caller)


# Plans.


async def test_a_plan_is_bought_at_a_page_and_then_the_tenant_is_on_it(payer: Payer) -> None:
    plan_id = await a_plan(payer.world)
    opened = await payer.opens(a_page(plan_id=plan_id))
    assert (opened["amount"], opened["currency"]) == ("49.00", "USD")
    assert await subscription_of(payer) is None
    payer.world.payments.complete("cs_1")
    await payer.told("cs_1")
    subscription = await subscription_of(payer)
    assert subscription is not None
    assert (subscription.status, subscription.life.plan.plan_id) == ("active", str(plan_id))
    # The first invoice takes it from here.
    assert await credit_usd(payer) == Decimal("49.00")
    assert "We received your payment of 49.00 USD for your plan" in payer.mails[-1].replace(
        "\n", " "
    )


async def test_money_that_is_told_of_twice_by_two_events_counts_once(payer: Payer) -> None:
    await payer.opens(a_page(plan_id=await a_plan(payer.world)))
    payer.world.payments.complete("cs_1")
    await payer.told("pi_1")
    before = len(payer.world.store.events)
    await payer.told("cs_1")
    assert await credit_usd(payer) == Decimal("49.00")
    assert (
        payer.world.store.topics[before:] == ["payment_account.method_saved"]
        or not (payer.world.store.topics[before:])
    )


async def test_a_plan_with_a_trial_asks_what_is_paid_with_and_for_nothing_else(
    payer: Payer,
) -> None:
    plan_id = await a_plan(payer.world, {**TERMS, "trial_days": 14})
    assert (await payer.opens(a_page(plan_id=plan_id)))["amount"] is None
    payer.world.payments.complete("cs_1")
    await payer.told("cs_1")
    subscription = await subscription_of(payer)
    assert subscription is not None
    assert subscription.status == "trialing"
    assert await credit_usd(payer) == 0


async def test_a_page_that_nobody_paid_at_buys_nothing(payer: Payer) -> None:
    await payer.opens(a_page(plan_id=await a_plan(payer.world)))
    await payer.world.payments.close_checkout("cs_1")
    await payer.told("cs_1")
    assert payer.world.store.topics[-2:] == ["payment.checkout_closed", "payment.cancelled"]
    assert await subscription_of(payer) is None


async def test_what_costs_nothing_is_not_for_sale_nor_what_one_has(payer: Payer) -> None:
    with pytest.raises(PlanNotForSale):
        await payer.opens(a_page(plan_id=await a_plan(payer.world, None)))
    plan_id = await a_plan(payer.world)
    await payer.opens(a_page(plan_id=plan_id))
    payer.world.payments.complete("cs_1")
    await payer.told("cs_1")
    with pytest.raises(AlreadyOnPlan):
        await payer.opens(a_page(plan_id=plan_id))


# Back again.


async def test_what_was_paid_is_given_back_once_however_often_it_is_asked_for(
    payer: Payer,
) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.worker_steps(invoice)
    payment = await payer.payment(invoice)
    refund = RefundPayment(payer.tenant_id, payment.id, "pi_1", "9.00")
    first = await payer.world.when(refund, key="refund 1", caller=payer.world.operator)
    again = await payer.world.when(refund, key="refund 1", caller=payer.world.operator)
    assert first.result == again.result
    assert Decimal(str(first.result["refunded"])) == Decimal("9.00")
    with pytest.raises(NothingToRefund):
        await payer.world.when(replace(refund, amount="40.01"), caller=payer.world.operator)
    with pytest.raises(PaymentNotFound):
        await payer.world.when(replace(refund, payment_id=UUID(int=1)), caller=payer.world.operator)
    with pytest.raises(MissingScope):
        await payer.world.when(refund, caller=payer.admin)


async def test_what_the_operator_gave_back_at_the_provider_is_told(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.worker_steps(invoice)
    await payer.world.payments.refund("pi_1", "10.00", "EUR", key="at the provider")
    await payer.told("pi_1")
    assert (await payer.payment(invoice)).kept == Decimal("39.00")


async def test_what_is_refused_asks_nothing_of_the_provider(payer: Payer) -> None:
    with pytest.raises(PlanNotForSale):
        await payer.opens(a_page(plan_id=await a_plan(payer.world, None)))
    assert payer.world.payments.customers == {}
