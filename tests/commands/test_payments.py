"""A tenant says what it pays with, buys plans and pays invoices at pages of the provider, and a
worker collects what is due; whatever the provider tells, in whatever order.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.dispatch import Dispatcher
from commands.payment_port import (
    Charge,
    PaymentProviderRefused,
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
from commands.standing_port import ChangedStanding
from commands.tenants import ResumeTenant
from domain.credits import CreditAccount, credit_account_id
from domain.identifiers import Json
from domain.invoices import InvoiceNotFound
from domain.payment_accounts import PAGES_MAX, TooManyPages
from domain.payments import (
    DUNNING_DAYS,
    NothingToRefund,
    PaymentEnded,
    PaymentInProgress,
    PaymentNotFound,
)
from domain.subscriptions import Subscription, subscription_id
from tests.commands.fakes import World
from tests.commands.payment_steps import DUE_IN, TELLS, Payer, a_page

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


# Invoices.


async def test_an_invoice_is_paid_with_what_was_saved_as_soon_as_it_is_issued(
    payer: Payer,
) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    assert await payer.worker_steps(invoice) == 2
    assert (await payer.invoice(invoice)).status == "paid"
    assert (await payer.payment(invoice)).status == "succeeded"
    assert payer.world.payments.taken == Decimal("49.00")
    assert "invoice INV-1" in payer.mails[-1]
    assert payer.due_at(invoice) is None


async def test_who_saved_nothing_has_until_it_is_due(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    assert payer.due_at(invoice) == payer.world.clock.now() + DUE_IN
    await payer.days_later(15, invoice)
    assert (await payer.invoice(invoice)).status == "past_due"
    assert "no_payment_method" in payer.mails[-1]
    await payer.saves_a_card()
    await payer.days_later(DUNNING_DAYS[0], invoice)
    assert (await payer.invoice(invoice)).status == "paid"


async def test_a_card_that_is_declined_is_tried_by_the_schedule_and_then_the_tenant_is_held(
    payer: Payer,
) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    payer.world.payments.declines = ["insufficient_funds"] * 4
    await payer.worker_steps(invoice)
    assert (await payer.invoice(invoice)).status == "past_due"
    assert await payer.standing() == "active"
    for days in DUNNING_DAYS:
        assert payer.due_at(invoice) == payer.world.clock.now() + timedelta(days=days)
        assert "insufficient_funds" in payer.mails[-1]
        await payer.days_later(days, invoice)
    assert (await payer.invoice(invoice)).status == "uncollectible"
    assert (await payer.payment(invoice)).status == "given_up"
    assert (await payer.standing(), payer.due_at(invoice)) == ("suspended", None)
    assert ChangedStanding("suspended") in payer.world.store.side_rows
    assert "can read, and change nothing" in payer.mails[-1]
    assert [one.attempt for one in payer.world.payments.asked] == [1, 2, 3, 4]


async def test_who_is_held_can_pay_and_goes_on_at_once(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    payer.world.payments.declines = ["expired_card"] * 4
    for days in (0, *DUNNING_DAYS):
        await payer.days_later(days, invoice)
    # Not by the operator either: it is owed.
    await payer.world.when(ResumeTenant(payer.tenant_id), caller=payer.world.operator)
    assert await payer.standing() == "suspended"
    opened = await payer.opens(a_page(invoice_id=invoice.id))
    assert (opened["amount"], opened["currency"]) == ("49.00", "EUR")
    payer.world.payments.complete("cs_2", "pm_new")
    await payer.told("cs_2")
    assert (await payer.invoice(invoice)).status == "paid"
    assert await payer.standing() == "active"
    account = await payer.account()
    assert account is not None
    assert account.method_id == "pm_new"


async def test_what_succeeded_stays_whatever_is_told_afterwards(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.worker_steps(invoice)
    made = payer.world.payments.made
    before = len(payer.world.store.events)
    made["pi_1"] = replace(made["pi_1"], status="failed", failure_code="late")
    await payer.told("pi_1")
    assert len(payer.world.store.events) == before


async def test_a_try_whose_answer_is_lost_is_found_and_not_made_again(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    payer.world.payments.loses_answers = 1
    await payer.worker_steps(invoice)
    assert (await payer.payment(invoice)).is_attempting
    await payer.days_later(1, invoice)
    assert (await payer.invoice(invoice)).status == "paid"
    assert payer.world.payments.taken == Decimal("49.00")
    assert len(payer.world.payments.made) == 1


async def test_the_provider_may_tell_of_a_try_before_the_worker_hears_of_it(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    payer.world.payments.loses_answers = 1
    await payer.worker_steps(invoice)
    await payer.told("pi_1")
    assert (await payer.invoice(invoice)).status == "paid"
    assert payer.due_at(invoice) is None


async def test_a_bank_that_takes_days_is_waited_for(payer: Payer) -> None:
    await payer.saves_a_card("pm_sepa")
    invoice = await payer.is_invoiced()
    payer.world.payments.is_slow = True
    await payer.worker_steps(invoice)
    assert (await payer.payment(invoice)).status == "processing"
    with pytest.raises(PaymentInProgress):
        await payer.opens(a_page(invoice_id=invoice.id))
    made = payer.world.payments.made
    made["pi_1"] = replace(made["pi_1"], status="succeeded")
    await payer.days_later(1, invoice)
    assert (await payer.invoice(invoice)).status == "paid"


async def test_nobody_pays_at_a_page_what_is_taken_from_a_card(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.opens(a_page(invoice_id=invoice.id))
    await payer.worker_steps(invoice)
    assert payer.world.payments.checkouts["cs_2"].status == "expired"
    assert payer.world.payments.taken == Decimal("49.00")


async def test_a_page_that_was_paid_is_not_paid_again_by_a_worker(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.opens(a_page(invoice_id=invoice.id))
    payer.world.payments.complete("cs_2")
    await payer.worker_steps(invoice)
    assert (await payer.invoice(invoice)).status == "paid"
    assert payer.world.payments.taken == Decimal("49.00")


async def test_a_second_page_closes_the_first_unless_it_was_paid(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    await payer.opens(a_page(invoice_id=invoice.id))
    await payer.opens(a_page(invoice_id=invoice.id))
    assert payer.world.payments.checkouts["cs_1"].status == "expired"
    payer.world.payments.complete("cs_2")
    with pytest.raises(PaymentInProgress):
        await payer.opens(a_page(invoice_id=invoice.id))
    await payer.told("cs_2")
    with pytest.raises(PaymentEnded):
        await payer.opens(a_page(invoice_id=invoice.id))


async def test_an_invoice_of_another_tenant_is_none(world: World, payer: Payer) -> None:
    other = await Payer.of(world)
    invoice = await payer.is_invoiced()
    with pytest.raises(InvoiceNotFound):
        await other.opens(a_page(invoice_id=invoice.id))


async def test_a_provider_that_is_away_is_asked_later_and_no_try_is_lost(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.worker_step(invoice)
    payer.world.payments.is_away = True
    await payer.worker_steps(invoice)
    payment = await payer.payment(invoice)
    assert (payment.attempt, payment.failures_count) == (1, 0)
    payer.world.payments.is_away = False
    await payer.days_later(1, invoice)
    assert (await payer.payment(invoice)).status == "succeeded"


async def test_a_method_that_the_provider_does_not_take_is_a_try_that_failed(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> Charge:
        raise PaymentProviderRefused("No.", provider_code="resource_missing")

    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    monkeypatch.setattr(payer.world.payments, "charge", refuse)
    await payer.worker_steps(invoice)
    assert (await payer.payment(invoice)).status == "failed"
    assert "resource_missing" in payer.mails[-1]


async def test_a_reseller_and_an_operator_without_a_provider_collect_themselves(
    world: World, payer: Payer
) -> None:
    invoice = await payer.is_invoiced(issuer_id=str(UUID(int=9)))
    assert payer.due_at(invoice) is None
    world.ports = replace(world.ports, payments=None)
    invoice = await (await Payer.of(world)).is_invoiced()
    assert payer.due_at(invoice) is None


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
