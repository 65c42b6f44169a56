"""Payments: a page of the provider where a tenant pays or says what it pays with, and what the
provider tells afterwards.

What an event says is never believed beyond what it is about: the present state of that is asked of
the provider. So it does not matter in which order events come, or how often.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

from commands.decisions import VARYING, Command, Decided, Tenancy
from commands.payment_port import (
    Checkout,
    CheckoutRequest,
    PaymentProvider,
    PaymentsNotSetUp,
)
from domain.errors import Refused
from domain.identifiers import Json, JsonObject, TenantId
from domain.payments import PaymentAccount, payment_account_id
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
    """success_url, cancel_url: where the provider's page sends the browser afterwards."""

    requires: ClassVar[str] = "payments:write"
    # Who was suspended for what it owes can pay.
    is_open_to_suspended: ClassVar[bool] = True

    success_url: str
    cancel_url: str


async def open_checkout(command: OpenCheckout, on: Tenancy) -> Decided:
    """Raises PaymentsNotSetUp, PaidToReseller, and what the provider raises."""
    provider = provider_of(on)
    account = await _account(provider, on)
    page = await provider.open_checkout(
        CheckoutRequest(
            tenant_id=on.tenant_id,
            customer_id=account.customer_id,
            payment_id=None,
            amount=None,
            currency=CURRENCY_DEFAULT,
            description="",
            success_url=command.success_url,
            cancel_url=command.cancel_url,
            expires_at=on.ports.clock.now() + CHECKOUT_LIFETIME,
            key=f"checkout-{on.ports.ids.new()}",
        )
    )
    result: JsonObject = {
        "payment_id": None,
        "url": page.url,
        "expires_at": page.expires_at.isoformat(),
    }
    return Decided(result, aggregates=(account,))


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

    def subject(self, own: TenantId | None) -> TenantId | None:
        return own


async def receive_provider_event(command: ReceiveProviderEvent, on: Tenancy) -> Decided:
    """Raises EventOfNobody, and what the provider raises: then the provider tells it again."""
    provider = provider_of(on)
    if command.about != "checkout":
        return Decided(_told(command, is_handled=False), aggregates=())
    checkout = await provider.checkout(command.subject_id)
    account = await _told_account(provider, checkout, on)
    if checkout.status == "complete" and checkout.method_id is not None:
        account.save_method(checkout.method_id)
    return Decided(_told(command, is_handled=True), aggregates=(account,))


def provider_of(on: Tenancy) -> PaymentProvider:
    """Raises PaymentsNotSetUp."""
    if on.ports.payments is None:
        raise PaymentsNotSetUp
    return on.ports.payments


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


async def _told_account(
    provider: PaymentProvider, checkout: Checkout, on: Tenancy
) -> PaymentAccount:
    """Raises EventOfNobody: other programs, and other installations, may share what is the
    provider's.
    """
    account = await on.ports.events.load(
        PaymentAccount, payment_account_id(on.tenant_id), on.tenant_id
    )
    if account is None or checkout.tenant_id != on.tenant_id:
        raise EventOfNobody
    assert account.provider == provider.name
    return account


def _told(command: ReceiveProviderEvent, *, is_handled: bool) -> dict[str, Json]:
    return {"event_id": command.event_id, "kind": command.kind, "is_handled": is_handled}
