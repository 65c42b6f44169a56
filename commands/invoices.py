"""What the operator, or the reseller who issues it, does with an invoice: finalises a draft before
its grace is over, records a payment, voids it, credits it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from commands.billing_cycle import finalized
from commands.billing_port import RemovedBillingTimer
from commands.decisions import Command, Decided, Tenancy
from commands.invoice_credits import credited_back, voided_back
from commands.invoice_making import (
    CREDIT_NOTE_PREFIX,
    NUMBER_DIGITS,
    issued_copy,
    issuer_of,
    next_number,
)
from commands.payment_collection import begun_payment, looked_at_again, payment_for
from commands.payment_outcomes import Outcome, amount_left, no_longer_owed, received
from commands.payment_port import MANUAL, Received
from commands.tenants import managed_tenant
from domain.billing_accounts import (
    BillingAccount,
    BillingAccountNotFound,
    billing_account_id,
)
from domain.credit_notes import credit_note
from domain.currencies import amount_text, smallest_of
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject, TenantId
from domain.invoice_documents import content_sha256
from domain.invoices import PAYABLE, Invoice, InvoiceNotFound
from domain.payments import Payment

# What a credit note pays an invoice by.
BY_CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class FinalizeInvoice(Command):
    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def finalize_invoice(command: FinalizeInvoice, on: Tenancy) -> Decided:
    """Raises InvoiceNotFound, InvoiceNotInState, TooManyFacts."""
    invoice = await managed_invoice(on, command.invoice_id)
    account = await on.load(
        BillingAccount, billing_account_id(on.tenant_id), BillingAccountNotFound
    )
    return await finalized(account, invoice, on)


@dataclass(frozen=True, slots=True)
class PayInvoice(Command):
    """That money came for it, as a bank statement says. reference: of the transfer; each counts
    once. amount: of the invoice's currency, a decimal string; None is all that is left. currency:
    None is the invoice's. received_at: None is now.
    """

    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID
    reference: str
    amount: str | None = None
    currency: str | None = None
    received_at: datetime | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def pay_invoice(command: PayInvoice, on: Tenancy) -> Decided:
    """Parts are kept together until all is there, and what is too much becomes credit. Raises
    InvoiceNotFound, InvoiceNotInState, InvoicePaidAlready, Invalid.
    """
    invoice = await managed_invoice(on, command.invoice_id)
    _require_exact(command, invoice)
    payment = await payment_for(invoice, on)
    if payment is None or command.reference not in payment.received:
        invoice.require_payable()
    else:
        _require_same(command, payment)
    payment = payment or begun_payment(invoice, on)
    on.keep(invoice)
    left, _ = await amount_left(payment, on)
    now = on.ports.clock.now()
    amount = str(left) if command.amount is None else command.amount
    money = Received(MANUAL, command.reference, amount, command.received_at or now)
    outcome = await received(payment, money, on)
    paid = next(one for one in outcome.aggregates if isinstance(one, Invoice))
    result: JsonObject = {
        "invoice_id": str(invoice.id),
        "status": paid.status,
        "received": str(payment.kept),
        "currency": invoice.currency,
    }
    return outcome.decided(result)


def _require_exact(command: PayInvoice, invoice: Invoice) -> None:
    """Raises Invalid."""
    if command.currency is not None and command.currency != invoice.currency:
        reason = f"the invoice is in {invoice.currency}"
        raise Invalid(errors=[FieldError("/currency", "other_currency", reason)])
    if command.amount is not None and invoice.currency:
        try:
            smallest_of(command.amount, invoice.currency)
        except ValueError:
            reason = f"it is finer than {invoice.currency} is counted"
            raise Invalid(errors=[FieldError("/amount", "too_fine", reason)]) from None


def _require_same(command: PayInvoice, payment: Payment) -> None:
    """Of a transfer that was recorded. Raises Invalid."""
    known = payment.received[command.reference]
    if command.amount is not None and Decimal(command.amount) != known:
        reason = f"{known} {payment.currency} were recorded with this reference, which counts once"
        raise Invalid(errors=[FieldError("/reference", "reference_used", reason)])


@dataclass(frozen=True, slots=True)
class VoidInvoice(Command):
    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def void_invoice(command: VoidInvoice, on: Tenancy) -> Decided:
    """Raises InvoiceNotFound, InvoiceNotInState, TooManyGrants."""
    invoice = await managed_invoice(on, command.invoice_id)
    invoice.void(command.reason)
    return await _given_up(invoice, "invoice_voided", on)


@dataclass(frozen=True, slots=True)
class MarkUncollectible(Command):
    """Nobody tries to collect it any more; it may still be paid."""

    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def mark_uncollectible(command: MarkUncollectible, on: Tenancy) -> Decided:
    """Raises InvoiceNotFound, InvoiceNotInState."""
    invoice = await managed_invoice(on, command.invoice_id)
    invoice.mark_uncollectible(command.reason)
    return await _given_up(invoice, "invoice_uncollectible", on)


@dataclass(frozen=True, slots=True)
class CreditInvoice(Command):
    """amounts: number of a line, and what is given back of it, without tax, in the invoice's
    currency as a decimal string; empty: all that is left.
    """

    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID
    reason: str
    amounts: Sequence[tuple[int, str]]

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def credit_invoice(command: CreditInvoice, on: Tenancy) -> Decided:
    """An invoice of which nothing is owed any more is paid by it. Raises InvoiceNotFound,
    InvoiceNotInState, CreditTooLarge, TooManyGrants, Invalid.
    """
    invoice = await managed_invoice(on, command.invoice_id)
    issuer_id = issuer_of(invoice)
    number = await next_number(on, issuer_id, "credit_note")
    printed = f"{CREDIT_NOTE_PREFIX}{number:0{NUMBER_DIGITS}d}"
    note = credit_note(
        invoice,
        number=printed,
        reason=command.reason,
        amounts=dict(command.amounts),
        issued_at=on.ports.clock.now(),
    )
    sha256 = content_sha256(note.document)
    invoice.credit(number=number, amount=note.amount, document=note.document, content_sha256=sha256)
    copy = await issued_copy(
        on, issuer_id, "credit_note", number, invoice_id=invoice.id, document=note.document
    )
    outcome = await _after_credit(invoice, printed, on)
    outcome.side_rows.append(copy)
    outcome.add(await credited_back(invoice, note.given_back, on, number=printed))
    result: JsonObject = {
        "invoice_id": str(invoice.id),
        "number": printed,
        "status": invoice.status,
        "total": note.document["total"],
        "given_back": note.document["given_back"],
        "content_sha256": sha256,
    }
    return outcome.decided(result)


async def _after_credit(invoice: Invoice, printed: str, on: Tenancy) -> Outcome:
    payment = await payment_for(invoice, on)
    kept = 0 if payment is None else payment.kept
    if invoice.status not in PAYABLE or kept < Decimal(
        amount_text(invoice.amount_due, invoice.currency)
    ):
        return Outcome([invoice], [*looked_at_again(invoice, on)])
    invoice.pay(method=BY_CREDIT_NOTE, reference=printed)
    return await _not_awaited(invoice, "invoice_credited", on)


async def _given_up(invoice: Invoice, reason: str, on: Tenancy) -> Decided:
    """Nothing, where it was so before. Raises TooManyGrants."""
    result: JsonObject = {"invoice_id": str(invoice.id), "status": invoice.status}
    if not invoice.pending_events:
        on.keep(invoice)
        return Decided(result, aggregates=())
    outcome = await _not_awaited(invoice, reason, on)
    if invoice.status == "void":
        outcome.add(await voided_back(invoice, on))
    return outcome.decided(result)


async def _not_awaited(invoice: Invoice, reason: str, on: Tenancy) -> Outcome:
    """Nobody waits for money for it any more."""
    payment = await payment_for(invoice, on)
    ended = Outcome() if payment is None else await no_longer_owed(payment, reason, on)
    return Outcome(
        [invoice, *ended.aggregates], [RemovedBillingTimer(invoice.id), *ended.side_rows]
    )


async def managed_invoice(on: Tenancy, invoice_id: UUID) -> Invoice:
    """Of a tenant that the caller manages. Raises TenantNotFound, InvoiceNotFound."""
    on.keep(await managed_tenant(on))
    return await on.load(Invoice, invoice_id, InvoiceNotFound)
