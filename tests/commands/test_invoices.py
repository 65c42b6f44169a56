"""What is done with an invoice by who issued it."""

from typing import Any
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.billing_port import IssuedDocument, RemovedBillingTimer
from commands.invoice_reading import InvoiceReader
from commands.invoices import (
    CreditInvoice,
    FinalizeInvoice,
    MarkUncollectible,
    PayInvoice,
    VoidInvoice,
)
from domain.errors import Invalid
from domain.identifiers import PLATFORM
from domain.invoice_documents import content_sha256
from domain.invoices import CreditTooLarge, InvoiceNotFound, InvoiceNotInState
from domain.tenants import TenantNotFound
from tests.commands.billing_steps import DAY, DECEMBER, Billed
from tests.commands.fakes import NOON, World


@pytest.fixture
async def billed() -> Billed:
    return await Billed.begun(World())


async def when(billed: Billed, command: Any) -> Any:
    return (await billed.world.when(command, caller=billed.issuer)).result


def credit(billed: Billed, invoice_id: UUID, *amounts: tuple[int, str]) -> CreditInvoice:
    return CreditInvoice(billed.tenant_id, invoice_id, "an outage", amounts)


async def test_the_operator_finalises_a_draft_before_its_grace_is_over(billed: Billed) -> None:
    billed.world.billing.used(billed.tenant_id, NOON)
    invoice = await billed.invoice()
    finalize = FinalizeInvoice(billed.tenant_id, invoice.id)
    with pytest.raises(InvoiceNotInState):
        await when(billed, finalize)
    await billed.until(DECEMBER)
    told = await when(billed, finalize)
    assert (told["number"], told["total"], told["status"]) == ("INV-000001", "0.60", "issued")
    stored = await billed.invoice()
    assert content_sha256(stored.document) == stored.content_sha256 == told["content_sha256"]
    with pytest.raises(InvoiceNotInState):
        await when(billed, finalize)


async def test_the_issuer_keeps_a_copy_that_is_the_same(billed: Billed) -> None:
    invoice = await billed.issued()
    (copy,) = [row for row in billed.world.store.side_rows if isinstance(row, IssuedDocument)]
    assert (copy.issuer_id, copy.number) == (PLATFORM, 1)
    reader = InvoiceReader(billed.world.ports)
    assert await reader.issued(billed.world.operator, invoice.id) == invoice.document
    with pytest.raises(InvoiceNotFound):
        await reader.issued(billed.world.caller, invoice.id)


async def test_two_tenants_of_one_issuer_share_its_series(billed: Billed) -> None:
    other = await Billed.begun(billed.world)
    first, second = await billed.issued(), await other.invoice()
    assert {first.number, second.number} == {1, 2}


async def test_a_payment_is_recorded_and_nobody_waits_for_it_any_more(billed: Billed) -> None:
    invoice = await billed.issued()
    told = await when(billed, PayInvoice(billed.tenant_id, invoice.id, "line 7"))
    assert told["status"] == "paid"
    assert RemovedBillingTimer(invoice.id) in billed.world.store.side_rows
    await billed.until(DECEMBER + 20 * DAY)
    assert (await billed.invoice()).status == "paid"


async def test_a_credit_note_gives_back_a_part_of_a_line_with_its_tax(billed: Billed) -> None:
    invoice = await billed.issued()
    told = await when(billed, credit(billed, invoice.id, (1, "0.20")))
    assert (told["number"], told["total"]) == ("CN-000001", "0.24")
    rest = await when(billed, credit(billed, invoice.id))
    assert rest["total"] == "0.96"
    stored = await billed.invoice()
    assert (stored.credited, stored.amount_due) == (stored.total, 0) == (120, 0)
    with pytest.raises(Invalid):
        await when(billed, credit(billed, invoice.id))


async def test_a_credit_note_names_what_is_wrong_with_it(billed: Billed) -> None:
    invoice = await billed.issued()
    with pytest.raises(Invalid) as caught:
        await when(billed, credit(billed, invoice.id, (1, "0.51"), (2, "0.001"), (3, "1")))
    assert caught.value.errors[0].message == "above 0, and at most 0.50"
    assert [(one.path, one.code) for one in caught.value.errors] == [
        ("/lines/0/amount", "too_much"),
        ("/lines/1/amount", "too_fine"),
        ("/lines/2/line", "unknown_line"),
    ]


async def test_a_line_of_which_nothing_is_left_says_so(billed: Billed) -> None:
    invoice = await billed.issued()
    await when(billed, credit(billed, invoice.id, (1, "0.50")))
    with pytest.raises(Invalid) as caught:
        await when(billed, credit(billed, invoice.id, (1, "0.01")))
    (mistake,) = caught.value.errors
    assert mistake.message == "nothing of this line is left to be given back"


async def test_what_is_void_is_not_credited(billed: Billed) -> None:
    invoice = await billed.issued()
    await when(billed, VoidInvoice(billed.tenant_id, invoice.id, "wrong"))
    with pytest.raises((InvoiceNotInState, CreditTooLarge)):
        await when(billed, credit(billed, invoice.id))


async def test_invoices_of_others_do_not_exist(billed: Billed) -> None:
    invoice = await billed.issued()
    stranger = Caller("user:x", billed.world.tenant_id, frozenset({"invoices:write"}), UUID(int=9))
    with pytest.raises(TenantNotFound):
        await billed.world.when(PayInvoice(billed.tenant_id, invoice.id, "line 7"), caller=stranger)
    with pytest.raises(MissingScope):
        await billed.world.when(PayInvoice(billed.world.tenant_id, invoice.id, "line 7"))
    reader = InvoiceReader(billed.world.ports)
    with pytest.raises(InvoiceNotFound):
        await reader.own(billed.world.caller, invoice.id)


async def test_who_reads_only_what_is_theirs_reads_no_invoice(billed: Billed) -> None:
    invoice = await billed.issued()
    scopes = frozenset({"read"})
    person = Caller("user:x", billed.tenant_id, scopes, UUID(int=9), own_only=scopes)
    with pytest.raises(MissingScope):
        await InvoiceReader(billed.world.ports).own(person, invoice.id)


async def test_who_issued_it_gives_an_invoice_up_and_it_may_still_be_paid(billed: Billed) -> None:
    invoice = await billed.issued()
    give_up = MarkUncollectible(billed.tenant_id, invoice.id, "insolvent")
    assert (await when(billed, give_up))["status"] == "uncollectible"
    stored = len(billed.world.store.events)
    await when(billed, give_up)
    assert len(billed.world.store.events) == stored
    await billed.until(DECEMBER + 20 * DAY)
    assert (await billed.invoice()).status == "uncollectible"
    part = PayInvoice(billed.tenant_id, invoice.id, "line 7", amount="0.50")
    assert (await when(billed, part))["status"] == "uncollectible"
    assert (await when(billed, PayInvoice(billed.tenant_id, invoice.id, "8")))["status"] == "paid"
    with pytest.raises(InvoiceNotInState):
        await when(billed, give_up)
