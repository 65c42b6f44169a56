"""The tries that a worker makes at an invoice, one step at a time. A try is two steps, each stored:
that it is made, and what came of it. Whoever dies between them leaves a try that the next one
finds, at the provider or nowhere.

    due ──► attempted ──► asked of the provider ──► succeeded
     ▲                          │  └──► processing: looked at again
     └── by DUNNING_DAYS ───────┴─► failed ──► given up
"""

from datetime import timedelta

from commands.deadline_port import StoredDeadline
from commands.decisions import Tenancy
from commands.payment_outcomes import (
    PROCESSING,
    Outcome,
    amount_left,
    failed,
    no_longer_owed,
    postponed,
    provider_of,
    settled,
    what_for,
)
from commands.payment_port import ChargeRequest, PaymentProviderRefused
from domain.currencies import amount_text
from domain.invoices import PAYABLE, Invoice
from domain.payment_accounts import PaymentAccount, payment_account_id
from domain.payments import Payment, payment_of_invoice

# The provider's clock may be another.
CLOCKS_APART = timedelta(hours=1)
# A provider that is away is asked again after so long, and whether there is one after so long.
AWAY = timedelta(minutes=10)
NONE_SET_UP = timedelta(days=1)
NO_METHOD = "no_payment_method"


async def begun_collection(invoice: Invoice, on: Tenancy) -> Outcome:
    """Of an invoice that is issued by the same append. Who has said what it pays with is charged at
    once, anybody else has until it is due. A reseller looks after its invoices itself, and so does
    an operator whom no provider collects for.
    """
    payment = begun_payment(invoice, on)
    if not _is_collected(invoice, on):
        return Outcome([payment])
    account = await _account(on)
    has_method = account is not None and account.method_id is not None
    due_at = on.ports.clock.now() if has_method else invoice.due_at
    return Outcome([payment], [StoredDeadline("payment", payment.id, due_at)])


def looked_at_again(invoice: Invoice, on: Tenancy) -> tuple[StoredDeadline, ...]:
    """A row for an append that changes how much is owed."""
    if not _is_collected(invoice, on):
        return ()
    payment_id = payment_of_invoice(invoice.id, invoice.period_end)
    return (StoredDeadline("payment", payment_id, on.ports.clock.now()),)


async def payment_for(invoice: Invoice, on: Tenancy) -> Payment | None:
    """None: it was never issued, or before there were payments."""
    payment_id = payment_of_invoice(invoice.id, invoice.period_end)
    return await on.ports.events.load(Payment, payment_id, on.tenant_id)


def _is_collected(invoice: Invoice, on: Tenancy) -> bool:
    return invoice.issuer_id is None and on.ports.payments is not None


def begun_payment(invoice: Invoice, on: Tenancy) -> Payment:
    """Of an invoice that was issued."""
    return on.begin(
        Payment,
        payment_of_invoice(invoice.id, invoice.period_end),
        purpose="invoice",
        plan_id=None,
        plan_version=None,
        invoice_id=str(invoice.id),
        amount=amount_text(invoice.amount_due, invoice.currency),
        currency=invoice.currency,
    )


async def next_step(payment: Payment, on: Tenancy) -> Outcome:
    """Raises PaymentsNotSetUp, PaymentProviderUnavailable."""
    provider, account = provider_of(on), await _account(on)
    if payment.is_attempting:
        return await _outcome_of_attempt(payment, account, on)
    left, invoice = await amount_left(payment, on)
    if payment.is_ended or invoice is None or invoice.status not in PAYABLE or left <= 0:
        return await no_longer_owed(payment, "nothing_due", on)
    if payment.checkout_id is not None:
        # Nobody pays at a page what is taken from a card at the same time.
        page = await provider.close_checkout(payment.checkout_id)
        if page.charge is not None and page.charge.status == "succeeded":
            return await settled(payment, page.charge, on)
        if page.charge is not None and page.charge.status == "processing":
            return postponed(payment, on.ports.clock.now() + PROCESSING, "processing")
        payment.close_checkout(page.checkout_id)
    method_id = None if account is None else account.method_id
    payment.begin_attempt(str(left), method_id or "")
    if method_id is None:
        return await failed(payment, NO_METHOD, on, attempt=payment.attempt, reference=None)
    return Outcome([payment], [StoredDeadline("payment", payment.id, on.ports.clock.now())])


async def _account(on: Tenancy) -> PaymentAccount | None:
    stream_id = payment_account_id(on.tenant_id)
    return await on.ports.events.load(PaymentAccount, stream_id, on.tenant_id)


async def _outcome_of_attempt(
    payment: Payment, account: PaymentAccount | None, on: Tenancy
) -> Outcome:
    """The provider is asked for what was made under this number before it is asked to make it: also
    when it has forgotten the key by which it knows that the two are the same.
    """
    assert account is not None, "what is tried is taken from a method of the account"
    provider = provider_of(on)
    since = payment.attempted_at - CLOCKS_APART
    made = [
        charge
        for charge in await provider.charges(account.customer_id, since=since)
        if (charge.payment_id, charge.attempt) == (payment.id, payment.attempt)
    ]
    if made:
        return await settled(payment, made[0], on)
    _, invoice = await amount_left(payment, on)
    request = ChargeRequest(
        tenant_id=on.tenant_id,
        payment_id=payment.id,
        attempt=payment.attempt,
        customer_id=account.customer_id,
        method_id=payment.attempted_with,
        amount=payment.attempted_amount,
        currency=payment.currency,
        description=what_for(invoice),
    )
    try:
        charge = await provider.charge(request)
    except PaymentProviderRefused as refusal:
        code = str(refusal.data.get("provider_code", refusal.code))
        return await failed(payment, code, on, attempt=payment.attempt, reference=None)
    return await settled(payment, charge, on)
