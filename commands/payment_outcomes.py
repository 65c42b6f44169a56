"""What follows from money that came, or did not: in the same append as the word of it. The invoice
is paid, the plan is subscribed to, what is too much becomes credit, a tenant that was held goes on,
and its administrators are written to.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from commands.billing_port import RemovedBillingTimer
from commands.deadline_port import StoredDeadline
from commands.decisions import Decided, Tenancy
from commands.payment_credits import surplus_credited
from commands.payment_notices import failed_notices, received_notices
from commands.payment_port import Charge, PaymentProvider, PaymentsNotSetUp, Received
from commands.plan_purchases import plan_bought
from commands.ports import SideRow
from commands.standing_port import ChangedStanding
from domain.aggregates import Aggregate
from domain.currencies import amount_text
from domain.identifiers import JsonObject
from domain.invoices import PAYABLE, Invoice, InvoiceNotFound
from domain.payments import Payment
from domain.tenants import Tenant, TenantNotFound

# How long a bank may take: the provider tells of the end, and this is for when it does not.
PROCESSING = timedelta(hours=6)


@dataclass
class Outcome:
    """What is stored together."""

    aggregates: list[Aggregate] = field(default_factory=list[Aggregate])
    side_rows: list[SideRow] = field(default_factory=list[SideRow])

    def add(self, decided: Decided | None) -> None:
        if decided is not None:
            self.aggregates += decided.aggregates
            self.side_rows += decided.side_rows

    def decided(self, result: JsonObject) -> Decided:
        return Decided(result, tuple(self.aggregates), tuple(self.side_rows))


async def settled(payment: Payment, charge: Charge, on: Tenancy) -> Outcome:
    """As the provider knows the charge now."""
    attempt = charge.attempt
    match charge.status:
        case "succeeded":
            now = on.ports.clock.now()
            provider = provider_of(on).name
            money = Received(provider, charge.reference, charge.amount, now, attempt)
            outcome = await received(payment, money, on)
            if Decimal(charge.refunded) > 0:
                payment.refund(charge.reference, charge.refunded)
            return outcome
        case "failed" | "cancelled" if attempt is not None:
            code = charge.failure_code or charge.status
            return await failed(payment, code, on, attempt=attempt, reference=charge.reference)
        case "processing" | "open" if payment.is_attempting and attempt == payment.attempt:
            return postponed(payment, on.ports.clock.now() + PROCESSING, "processing")
        case _:
            # A card that was declined at a page is between the page and whoever is there.
            return Outcome([payment])


async def received(payment: Payment, money: Received, on: Tenancy) -> Outcome:
    """Raises InvoiceNotFound. Money that is told again changes nothing."""
    left, invoice = await amount_left(payment, on)
    is_whole = Decimal(money.amount) >= left
    is_news = payment.succeed(
        money.provider,
        money.reference,
        money.amount,
        attempt=money.attempt,
        is_whole=is_whole or payment.is_ended,
        received_at=money.received_at,
    )
    outcome = Outcome([payment])
    if invoice is not None:
        outcome.aggregates.append(invoice)
    if not is_news:
        return outcome
    surplus = Decimal(money.amount) - max(left, Decimal(0))
    if payment.purpose == "plan":
        outcome.add(await plan_bought(payment, on))
        surplus = Decimal(money.amount)
    elif invoice is not None and is_whole and invoice.status in PAYABLE:
        invoice.pay(method=money.provider, reference=money.reference)
        outcome.side_rows.append(RemovedBillingTimer(invoice.id))
    if is_whole:
        await _tenant_goes_on(payment, outcome, on)
        outcome.side_rows += ended_rows(payment)
    credited = await surplus_credited(payment, invoice, surplus, on) if surplus > 0 else None
    if credited is not None:
        outcome.aggregates.append(credited[0])
        outcome.side_rows.append(credited[1])
    notices = received_notices(payment, what_for(invoice), money, on)
    outcome.side_rows += await notices
    return outcome


async def failed(
    payment: Payment, code: str, on: Tenancy, *, attempt: int, reference: str | None
) -> Outcome:
    """The next try is put on the clock; after the last the tenant is held to reading."""
    outcome = Outcome([payment])
    if not payment.fail(attempt, code, reference, now=on.ports.clock.now()):
        return outcome
    _, invoice = await amount_left(payment, on)
    if payment.status != "abandoned" and payment.is_ended:
        outcome.side_rows += ended_rows(payment)
        return outcome
    outcome.side_rows.append(_deadline(payment, payment.retry_at))
    if invoice is not None:
        outcome.aggregates.append(invoice)
        outcome.side_rows.append(RemovedBillingTimer(invoice.id))
        if payment.status == "abandoned":
            invoice.mark_uncollectible(code)
        else:
            invoice.mark_past_due()
    if payment.status == "abandoned":
        tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
        tenant.miss_payment(payment.id)
        outcome.aggregates.append(tenant)
        outcome.side_rows.append(ChangedStanding(tenant.standing))
    outcome.side_rows += await failed_notices(payment, what_for(invoice), code, on)
    return outcome


def postponed(payment: Payment, until: datetime, reason: str) -> Outcome:
    payment.postpone(until, reason)
    return Outcome([payment], [_deadline(payment, until)])


async def no_longer_owed(payment: Payment, reason: str, on: Tenancy) -> Outcome:
    """The invoice was voided, or credited until nothing is left."""
    payment.cancel(reason)
    outcome = Outcome([payment], [*ended_rows(payment)])
    await _tenant_goes_on(payment, outcome, on)
    return outcome


async def amount_left(payment: Payment, on: Tenancy) -> tuple[Decimal, Invoice | None]:
    """What is to be paid yet, and of which invoice; below zero when more was paid."""
    if payment.invoice_id is None:
        return payment.amount - payment.kept, None
    invoice = await on.load(Invoice, UUID(payment.invoice_id), InvoiceNotFound)
    is_owed = invoice.status in (*PAYABLE, "paid")
    owed = amount_text(invoice.amount_due, invoice.currency) if is_owed else "0"
    return Decimal(owed) - payment.kept, invoice


def what_for(invoice: Invoice | None) -> str:
    """In words, for people."""
    if invoice is None:
        return "your plan"
    return f"invoice {invoice.document['number']}"


def ended_rows(payment: Payment) -> list[SideRow]:
    """Nobody tries any more, unless a try is on its way."""
    return [] if payment.is_attempting else [_deadline(payment, None)]


def provider_of(on: Tenancy) -> PaymentProvider:
    """Raises PaymentsNotSetUp."""
    if on.ports.payments is None:
        raise PaymentsNotSetUp
    return on.ports.payments


def _deadline(payment: Payment, due_at: datetime | None) -> StoredDeadline:
    return StoredDeadline("payment", payment.id, due_at)


async def _tenant_goes_on(payment: Payment, outcome: Outcome, on: Tenancy) -> None:
    """If this payment held it; another one may still do."""
    tenant = next((one for one in outcome.aggregates if isinstance(one, Tenant)), None)
    if tenant is None:
        tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
        outcome.aggregates.append(tenant)
    tenant.recover_payment(payment.id)
    outcome.side_rows.append(ChangedStanding(tenant.standing))
