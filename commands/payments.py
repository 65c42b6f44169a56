"""Payments: a page of the provider where a tenant pays or says what it pays with, what the provider
tells afterwards, and the tries that a worker makes when an invoice is due.

What an event says is never believed beyond what it is about: the present state of that is asked of
the provider. So it does not matter in which order events come, or how often.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from commands.decisions import VARYING, Command, Decided, Tenancy
from commands.payment_collection import AWAY, NONE_SET_UP, next_step
from commands.payment_outcomes import (
    Outcome,
    amount_left,
    postponed,
    provider_of,
    received,
    settled,
    what_for,
)
from commands.payment_port import (
    MANUAL,
    Charge,
    Checkout,
    CheckoutRequest,
    OpenedCheckout,
    PaymentProvider,
    PaymentProviderUnavailable,
    PaymentsNotSetUp,
    Received,
)
from commands.plan_purchases import PlanOffer, plan_offer
from domain.errors import Refused
from domain.identifiers import Json, JsonObject, TenantId
from domain.invoices import Invoice, InvoiceNotFound
from domain.payment_accounts import PaymentAccount, payment_account_id
from domain.payments import Payment, PaymentInProgress, PaymentNotFound, payment_of_invoice
from domain.tenants import Tenant, TenantNotFound

# What a page is in on which nothing is paid.
CURRENCY_DEFAULT = "USD"
# Whoever is asked to pay at a page of the provider has so long.
CHECKOUT_LIFETIME = timedelta(hours=1)


class PaidToReseller(Refused):
    """This tenant pays its reseller, who says how."""

    code = "paid_to_reseller"


class EventOfNobody(Refused):
    """This event is about nothing that this installation knows."""

    code = "event_of_nobody"


@dataclass(frozen=True, slots=True)
class OpenCheckout(Command):
    """plan_id, invoice_id: what is paid, at most one; neither: what is paid with from now on.
    success_url, cancel_url: where the provider's page sends the browser afterwards.
    """

    requires: ClassVar[str] = "payments:write"
    # Who was suspended for what it owes can pay.
    is_open_to_suspended: ClassVar[bool] = True

    plan_id: UUID | None
    invoice_id: UUID | None
    success_url: str
    cancel_url: str


async def open_checkout(command: OpenCheckout, on: Tenancy) -> Decided:
    """Raises PaymentsNotSetUp, PaidToReseller, TooManyPages, what the plan or the invoice refuses,
    and what the provider raises.
    """
    provider = provider_of(on)
    page = await _page(command, on)
    payment = page.payment
    account = await _account(provider, on)
    account.require_room(on.ports.clock.now())
    await _close_page(payment, provider)
    request = CheckoutRequest(
        tenant_id=on.tenant_id,
        customer_id=account.customer_id,
        payment_id=None if payment is None else payment.id,
        amount=page.amount,
        currency=page.currency,
        description=page.description,
        success_url=command.success_url,
        cancel_url=command.cancel_url,
        expires_at=on.ports.clock.now() + CHECKOUT_LIFETIME,
        key=f"checkout-{on.ports.ids.new()}",
    )
    opened = await provider.open_checkout(request)
    account.open_page(opened.checkout_id, request.payment_id, now=on.ports.clock.now())
    result = _opened(opened, request)
    if payment is None:
        return Decided(result, aggregates=(account,))
    payment.open_checkout(opened.checkout_id, page.amount or "0", opened.expires_at)
    return Decided(result, aggregates=(account, payment))


class _Page(NamedTuple):
    """amount: None: nothing is paid there."""

    payment: Payment | None
    amount: str | None
    currency: str
    description: str


async def _page(command: OpenCheckout, on: Tenancy) -> _Page:
    """What the page is about, before anybody is asked for it. Raises what a plan or an invoice
    refuses.
    """
    if command.invoice_id is not None:
        payment = await _payment_of(command.invoice_id, on)
        left, invoice = await amount_left(payment, on)
        return _Page(payment, str(left), payment.currency, what_for(invoice))
    if command.plan_id is not None:
        offer = await plan_offer(command.plan_id, on)
        payment = _payment_for(offer, on)
        return _Page(payment, offer.amount, CURRENCY_DEFAULT, f"plan {offer.name}")
    return _Page(None, None, CURRENCY_DEFAULT, "")


@dataclass(frozen=True, slots=True)
class ReceiveProviderEvent(Command):
    """By the provider, once per event_id. about: None: it is noted, and nothing is done.
    subject_id: the provider's id of what it is about.
    """

    requires: ClassVar[str] = "payments:settle"
    is_open_to_suspended: ClassVar[bool] = True

    event_id: str
    kind: str = field(metadata=VARYING)
    about: Literal["charge", "checkout"] | None = field(metadata=VARYING)
    subject_id: str = field(metadata=VARYING)


async def receive_provider_event(command: ReceiveProviderEvent, on: Tenancy) -> Decided:
    """Raises EventOfNobody, and what the provider raises: then the provider tells it again."""
    provider = provider_of(on)
    match command.about:
        case "checkout":
            outcome = await _checkout_told(await provider.checkout(command.subject_id), on)
        case "charge":
            charge = await provider.charge_of(command.subject_id)
            payment = await _told_payment(charge, on)
            outcome = await settled(payment, charge, on)
        case None:
            outcome = Outcome()
    told: dict[str, Json] = {
        "event_id": command.event_id,
        "kind": command.kind,
        "is_handled": command.about is not None,
    }
    return outcome.decided(told)


@dataclass(frozen=True, slots=True)
class CollectPayment(Command):
    """The time has come to try, to try again, or to look what became of a try. By the platform
    alone.
    """

    requires: ClassVar[str] = "deadlines:meet"

    payment_id: UUID


async def collect_payment(command: CollectPayment, on: Tenancy) -> Decided:
    """A try is two steps, each stored: that it is made, and what came of it. Whoever dies between
    them leaves a try that the next one finds, at the provider or nowhere.
    """
    payment = await on.load(Payment, command.payment_id, PaymentNotFound)
    try:
        outcome = await next_step(payment, on)
    except PaymentProviderUnavailable:
        outcome = postponed(payment, on.ports.clock.now() + AWAY, "provider_unavailable")
    except PaymentsNotSetUp:
        # The operator has taken the provider away, which is no fault of whoever pays.
        outcome = postponed(payment, on.ports.clock.now() + NONE_SET_UP, "payments_not_set_up")
    return outcome.decided({})


@dataclass(frozen=True, slots=True)
class RefundPayment(Command):
    """By the operator. reference: of what was received; amount: of it, in its currency."""

    requires: ClassVar[str] = "payments:refund"

    tenant_id: UUID
    payment_id: UUID
    reference: str
    amount: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def refund_payment(command: RefundPayment, on: Tenancy) -> Decided:
    """What was transferred is given back by the operator, and only noted here. Raises
    PaymentNotFound, NothingToRefund, and what the provider raises.
    """
    payment = await on.load(Payment, command.payment_id, PaymentNotFound)
    payment.require_refundable(command.reference, command.amount)
    before = payment.refunded.get(command.reference, Decimal(0))
    refunded = before + Decimal(command.amount)
    if payment.providers[command.reference] != MANUAL:
        charge = await provider_of(on).refund(
            command.reference,
            command.amount,
            payment.currency,
            # The same until it is recorded: asked for twice, it is given back once.
            key=f"refund-{payment.id}-{command.reference}-{before}",
        )
        refunded = Decimal(charge.refunded)
    payment.refund(command.reference, str(refunded))
    result: JsonObject = {
        "payment_id": str(payment.id),
        "reference": command.reference,
        "refunded": str(refunded),
        "currency": payment.currency,
    }
    return Decided(result, aggregates=(payment,))


async def _account(provider: PaymentProvider, on: Tenancy) -> PaymentAccount:
    """Made when it is first needed. Raises PaidToReseller."""
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    on.keep(tenant)
    if tenant.reseller_id is not None:
        raise PaidToReseller
    stream_id = payment_account_id(on.tenant_id)
    account = await on.ports.events.load(PaymentAccount, stream_id, on.tenant_id)
    if account is not None:
        return account
    customer_id = await provider.make_customer(on.tenant_id, tenant.name)
    return on.begin(PaymentAccount, stream_id, provider=provider.name, customer_id=customer_id)


async def _payment_of(invoice_id: UUID, on: Tenancy) -> Payment:
    """Raises InvoiceNotFound for what is not issued either, PaymentEnded, PaymentInProgress."""
    invoice = await on.load(Invoice, invoice_id, InvoiceNotFound)
    on.keep(invoice)
    payment_id = payment_of_invoice(invoice_id, invoice.period_end)
    payment = await on.load(Payment, payment_id, InvoiceNotFound)
    payment.require_payable()
    return payment


def _payment_for(offer: PlanOffer, on: Tenancy) -> Payment:
    return on.begin(
        Payment,
        on.ports.ids.new(),
        purpose="plan",
        plan_id=str(offer.plan_id),
        plan_version=offer.plan_version,
        invoice_id=None,
        amount=offer.amount or "0",
        currency=CURRENCY_DEFAULT,
    )


async def _close_page(payment: Payment | None, provider: PaymentProvider) -> None:
    """So that one invoice is not paid at two. Raises PaymentInProgress for one that was paid, of
    which the provider is about to tell.
    """
    if payment is None or payment.checkout_id is None:
        return
    page = await provider.close_checkout(payment.checkout_id)
    if page.status == "complete":
        raise PaymentInProgress(payment_id=str(payment.id))
    payment.close_checkout(page.checkout_id)


async def _told_payment(about: Charge | Checkout, on: Tenancy) -> Payment:
    """Raises EventOfNobody: other programs, and other installations, may share what is the
    provider's.
    """
    if about.tenant_id != on.tenant_id or about.payment_id is None:
        raise EventOfNobody
    payment = await on.ports.events.load(Payment, about.payment_id, on.tenant_id)
    if payment is None:
        raise EventOfNobody
    return payment


async def _checkout_told(checkout: Checkout, on: Tenancy) -> Outcome:
    """What was said there to pay with is what is paid with from now on. Raises EventOfNobody."""
    stream_id = payment_account_id(on.tenant_id)
    account = await on.ports.events.load(PaymentAccount, stream_id, on.tenant_id)
    if account is None or checkout.tenant_id != on.tenant_id:
        raise EventOfNobody
    outcome = Outcome()
    if checkout.payment_id is not None:
        payment = await _told_payment(checkout, on)
        outcome.aggregates.append(payment)
        if checkout.charge is not None:
            outcome = await settled(payment, checkout.charge, on)
        elif checkout.status == "complete":
            # A trial: nothing was to be paid yet.
            now = on.ports.clock.now()
            nothing = Received(provider_of(on).name, checkout.checkout_id, "0", now)
            outcome = await received(payment, nothing, on)
        elif checkout.status == "expired":
            payment.close_checkout(checkout.checkout_id)
    if checkout.status == "complete" and checkout.method_id is not None:
        account.save_method(checkout.method_id)
    outcome.aggregates.append(account)
    return outcome


def _opened(opened: OpenedCheckout, request: CheckoutRequest) -> JsonObject:
    return {
        "payment_id": None if request.payment_id is None else str(request.payment_id),
        "amount": request.amount,
        "currency": request.currency,
        "url": opened.url,
        "expires_at": opened.expires_at.isoformat(),
    }
