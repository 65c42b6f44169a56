"""What the operator, or the reseller who issues it, does with an invoice: finalises a draft before
its grace is over, records a payment, voids it, credits it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from commands.billing_cycle import finalized
from commands.billing_port import RemovedBillingTimer
from commands.credits import credit_account, credit_deadline
from commands.decisions import Command, Decided, Tenancy
from commands.invoice_making import (
    CREDIT_NOTE_PREFIX,
    NUMBER_DIGITS,
    issued_copy,
    issuer_of,
    next_number,
)
from commands.tenants import managed_tenant
from domain.billing_accounts import (
    BillingAccount,
    BillingAccountNotFound,
    billing_account_id,
)
from domain.credit_notes import credit_note
from domain.identifiers import JsonObject, TenantId
from domain.invoice_documents import content_sha256
from domain.invoices import Invoice, InvoiceNotFound


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
    """That it was paid, as a bank statement says. reference: of the payment."""

    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    invoice_id: UUID
    reference: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def pay_invoice(command: PayInvoice, on: Tenancy) -> Decided:
    """Raises InvoiceNotFound, InvoiceNotInState, InvoicePaidAlready."""
    invoice = await managed_invoice(on, command.invoice_id)
    invoice.pay(method="manual", reference=command.reference)
    return _settled(invoice)


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
    """Raises InvoiceNotFound, InvoiceNotInState."""
    invoice = await managed_invoice(on, command.invoice_id)
    invoice.void(command.reason)
    settled = _settled(invoice)
    credit = await credit_account(on)
    if credit is None:
        return settled
    # What it burned pays for something else.
    credit.restore(str(invoice.id), reference="void", at=on.ports.clock.now())
    return replace(
        settled,
        aggregates=(invoice, credit),
        side_rows=(*settled.side_rows, credit_deadline(credit)),
    )


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
    """Raises InvoiceNotFound, InvoiceNotInState, CreditTooLarge, Invalid."""
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
    result: JsonObject = {
        "invoice_id": str(invoice.id),
        "number": printed,
        "total": note.document["total"],
        "content_sha256": sha256,
    }
    return Decided(result, aggregates=(invoice,), side_rows=(copy,))


async def managed_invoice(on: Tenancy, invoice_id: UUID) -> Invoice:
    """Of a tenant that the caller manages. Raises TenantNotFound, InvoiceNotFound."""
    on.keep(await managed_tenant(on))
    return await on.load(Invoice, invoice_id, InvoiceNotFound)


def _settled(invoice: Invoice) -> Decided:
    """Nobody waits for its payment any more."""
    result: JsonObject = {"invoice_id": str(invoice.id), "status": invoice.status}
    return Decided(result, aggregates=(invoice,), side_rows=(RemovedBillingTimer(invoice.id),))
