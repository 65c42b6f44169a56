"""Invoices are paid at pages of the provider, and collected by a worker when they are due; whatever
dies, is declined, comes late or twice.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.billing_port import DueBilling
from commands.dispatch import Dispatcher
from commands.invoices import PayInvoice, VoidInvoice
from commands.payment_port import Charge, PaymentProviderRefused
from commands.standing_port import ChangedStanding
from commands.tenants import ResumeTenant
from domain.credits import GRANT_PICO_MAX, CreditAccount, credit_account_id
from domain.errors import Invalid
from domain.identifiers import JsonObject
from domain.invoices import Invoice, InvoiceNotFound, InvoicePaidAlready
from domain.money import PICO_PER_USD
from domain.payments import DUNNING_DAYS, PaymentEnded, PaymentInProgress
from tests.commands.billing_steps import Billed
from tests.commands.fakes import World
from tests.commands.payment_steps import DUE_IN, Payer, a_page


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def payer(world: World) -> Payer:
    return await Payer.of(world)


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
    assert (await payer.payment(invoice)).status == "abandoned"
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


# By transfer.


async def transferred(payer: Payer, invoice: Invoice, reference: str, **told: object) -> JsonObject:
    command = replace(PayInvoice(payer.tenant_id, invoice.id, reference), **told)
    return (await payer.world.when(command, caller=payer.world.operator)).result


async def test_parts_are_kept_together_until_all_is_there(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    first = await transferred(payer, invoice, "wire 1", amount="20.00", currency="EUR")
    assert (first["status"], first["received"]) == ("issued", "20.00")
    opened = await payer.opens(a_page(invoice_id=invoice.id))
    assert opened["amount"] == "29.00"
    again = await transferred(payer, invoice, "wire 1", amount="20.00")
    assert again["received"] == "20.00"
    last = await transferred(payer, invoice, "wire 2")
    assert (last["status"], last["received"]) == ("paid", "49.00")


async def test_what_is_too_much_is_credit_at_the_rate_of_the_invoice(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    told = await transferred(payer, invoice, "wire 1", amount="50.00")
    assert (told["status"], told["received"]) == ("paid", "50.00")
    stream_id = credit_account_id(payer.tenant_id)
    account = await payer.world.store.load(CreditAccount, stream_id, payer.tenant_id)
    assert account is not None
    # A USD is half a EUR.
    assert account.available_pico(payer.world.clock.now()) == 2 * PICO_PER_USD


async def test_what_is_far_too_much_is_credit_in_as_many_grants_as_it_takes(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    await transferred(payer, invoice, "wire 1", amount="1000049.00")
    stream_id = credit_account_id(payer.tenant_id)
    account = await payer.world.store.load(CreditAccount, stream_id, payer.tenant_id)
    assert account is not None
    assert [one.left_pico for one in account.grants.values()] == [GRANT_PICO_MAX, GRANT_PICO_MAX]


async def test_more_than_any_account_holds_is_still_received(payer: Payer) -> None:
    """By a slip of whoever read the statement."""
    invoice = await payer.is_invoiced()
    told = await transferred(payer, invoice, "wire 1", amount="999999999999999.00")
    assert (told["status"], told["received"]) == ("paid", "999999999999999.00")
    stream_id = credit_account_id(payer.tenant_id)
    assert await payer.world.store.load(CreditAccount, stream_id, payer.tenant_id) is None


async def test_a_transfer_ends_the_tries_and_lets_the_tenant_go_on(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    for days in (14, *DUNNING_DAYS):
        await payer.days_later(days, invoice)
    assert await payer.standing() == "suspended"
    await transferred(payer, invoice, "wire 1")
    assert (await payer.standing(), payer.due_at(invoice)) == ("active", None)


async def test_a_transfer_that_comes_while_a_card_is_charged_becomes_credit(payer: Payer) -> None:
    await payer.saves_a_card()
    invoice = await payer.is_invoiced()
    await payer.worker_step(invoice)
    await transferred(payer, invoice, "wire 1")
    await payer.worker_steps(invoice)
    payment = await payer.payment(invoice)
    assert (payment.status, payment.kept) == ("succeeded", Decimal("98.00"))
    stream_id = credit_account_id(payer.tenant_id)
    account = await payer.world.store.load(CreditAccount, stream_id, payer.tenant_id)
    assert account is not None
    assert account.available_pico(payer.world.clock.now()) == 98 * PICO_PER_USD


async def test_what_is_void_is_not_collected_and_holds_nobody(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    for days in (14, *DUNNING_DAYS):
        await payer.days_later(days, invoice)
    void = VoidInvoice(payer.tenant_id, invoice.id, "wrong")
    await payer.world.when(void, caller=payer.world.operator)
    assert (await payer.payment(invoice)).status == "cancelled"
    assert (await payer.standing(), payer.due_at(invoice)) == ("active", None)


@pytest.mark.parametrize(
    ("told", "mistake"),
    [
        ({"currency": "USD"}, ("/currency", "other_currency")),
        ({"amount": "1.005"}, ("/amount", "too_fine")),
    ],
)
async def test_a_transfer_that_cannot_be_is_named(
    payer: Payer, told: dict[str, object], mistake: tuple[str, str]
) -> None:
    invoice = await payer.is_invoiced()
    with pytest.raises(Invalid) as refused:
        await transferred(payer, invoice, "wire 1", **told)
    assert [(one.path, one.code) for one in refused.value.errors] == [mistake]


async def test_a_reference_that_was_used_is_not_taken_for_another_transfer(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    await transferred(payer, invoice, "wire 1", amount="10")
    await transferred(payer, invoice, "wire 1", amount="10.00")
    with pytest.raises(Invalid) as refused:
        await transferred(payer, invoice, "wire 1", amount="11")
    (mistake,) = refused.value.errors
    assert (mistake.path, mistake.code) == ("/reference", "reference_used")
    assert mistake.message.startswith("10 EUR were recorded")


async def test_what_was_paid_is_not_paid_again(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    await transferred(payer, invoice, "wire 1")
    with pytest.raises(InvoicePaidAlready):
        await transferred(payer, invoice, "wire 2")
    assert (await transferred(payer, invoice, "wire 1"))["status"] == "paid"


async def test_a_month_is_billed_and_collected_without_anybody(world: World) -> None:
    billed = await Billed.begun(world)
    payer = Payer(world, billed.tenant_id, Caller("a", billed.tenant_id, frozenset({"*"})))
    await payer.saves_a_card()
    invoice = await billed.issued()
    await payer.worker_steps(invoice)
    assert (await billed.invoice()).status == "paid"
    assert (await payer.payment(invoice)).received == {"pi_1": Decimal("1.20")}


@pytest.mark.parametrize("declines", [[], ["insufficient_funds"]], ids=["paid", "declined"])
async def test_nobody_waits_for_the_day_by_which_an_invoice_was_to_be_paid_once_it_was_tried(
    world: World, declines: list[str]
) -> None:
    """Its timer held up the billing of everybody: it was due for longest, and nothing was done."""
    billed = await Billed.begun(world)
    payer = Payer(world, billed.tenant_id, Caller("a", billed.tenant_id, frozenset({"*"})))
    await payer.saves_a_card()
    invoice = await billed.issued()
    assert DueBilling(billed.tenant_id, invoice.id) in billed.timers.timers()
    world.payments.declines = declines
    await payer.worker_steps(invoice)
    assert DueBilling(billed.tenant_id, invoice.id) not in billed.timers.timers()


async def test_an_operator_who_takes_the_provider_away_fails_nobody(payer: Payer) -> None:
    invoice = await payer.is_invoiced()
    payer.world.dispatcher = Dispatcher(replace(payer.world.ports, payments=None))
    await payer.days_later(14, invoice)
    payment = await payer.payment(invoice)
    assert (payment.attempt, payment.status) == (0, "pending")
    assert payer.due_at(invoice) == payer.world.clock.now() + timedelta(days=1)
