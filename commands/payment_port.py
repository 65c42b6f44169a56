"""Who collects money for us, and the row by which a worker finds what is to be collected.

Implemented by infra/payments/. Amounts are exact decimals in whole units of the currency, as text.
Every call that moves money has a name of ours (an idempotency key), so that the same call again is
no second one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from domain.errors import Refused, Unavailable
from domain.identifiers import TenantId

# Who says so of money that was transferred: the operator, or the reseller who issued the invoice.
MANUAL = "manual"

ChargeStatus: TypeAlias = Literal["succeeded", "processing", "failed", "open", "cancelled"]
CheckoutStatus: TypeAlias = Literal["open", "complete", "expired"]


class PaymentsNotSetUp(Refused):
    """This installation takes no payments: its operator has set up no provider."""

    code = "payments_not_set_up"


class PaymentProviderUnavailable(Unavailable):
    """The payment provider cannot be reached, or asks to be tried later."""

    code = "payment_provider_unavailable"


class PaymentProviderRefused(Refused):
    """The payment provider does not take this request."""

    code = "payment_provider_refused"


@dataclass(frozen=True, slots=True)
class DuePayment:
    """From now on a worker looks after this payment, first at due_at; None: it is done."""

    payment_id: UUID
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What to take from a method that was saved, without anybody being there."""

    tenant_id: TenantId
    payment_id: UUID
    attempt: int
    customer_id: str
    method_id: str
    amount: str
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class Charge:
    """As the provider knows it now. tenant_id, payment_id, attempt: as we told it; None: it is not
    ours, or was paid at a page. refunded: of amount.
    """

    reference: str
    status: ChargeStatus
    amount: str
    currency: str
    refunded: str
    tenant_id: TenantId | None
    payment_id: UUID | None
    attempt: int | None
    method_id: str | None
    failure_code: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """Money that came. provider: who says so. reference: the provider's, or of a transfer. attempt:
    None: somebody paid of their own.
    """

    provider: str
    reference: str
    amount: str
    received_at: datetime
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A page of the provider where somebody pays, or (amount None) only says what to pay with from
    now on; either way that is saved. payment_id: None for the latter.
    """

    tenant_id: TenantId
    customer_id: str
    payment_id: UUID | None
    amount: str | None
    currency: str
    description: str
    success_url: str
    cancel_url: str
    expires_at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    checkout_id: str
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Checkout:
    """charge: what was paid there. method_id: what was saved."""

    checkout_id: str
    status: CheckoutStatus
    tenant_id: TenantId | None
    payment_id: UUID | None
    charge: Charge | None
    method_id: str | None


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What the provider tells, proven to be its word. subject: what it is about, of which its
    present state has to be asked: events come late, twice and in any order. None: nothing of ours.
    """

    event_id: str
    kind: str
    subject: Literal["charge", "checkout"] | None
    subject_id: str
    tenant_id: TenantId | None


class ForgedEvent(Exception):
    """This is not the provider's word, or too old. The message holds nothing of it."""


class PaymentProvider(Protocol):
    """All but `verified` raise PaymentProviderUnavailable, PaymentProviderRefused."""

    name: str

    async def make_customer(self, tenant_id: TenantId, name: str) -> str:
        """Its id; the same one for the same tenant."""
        ...

    async def open_checkout(self, request: CheckoutRequest) -> OpenedCheckout: ...

    async def checkout(self, checkout_id: str) -> Checkout: ...

    async def close_checkout(self, checkout_id: str) -> Checkout:
        """Nobody can pay there any more; unless somebody has, which it then says."""
        ...

    async def charge(self, request: ChargeRequest) -> Charge:
        """A card that is declined is an answer, not an error."""
        ...

    async def charge_of(self, reference: str) -> Charge: ...

    async def charges(self, customer_id: str, *, since: datetime) -> Sequence[Charge]:
        """Of a customer, made since then, 100 at most, the newest first."""
        ...

    async def refund(self, reference: str, amount: str, currency: str, *, key: str) -> Charge:
        """The charge as it is afterwards."""
        ...

    async def verified(self, payload: bytes, signature: str) -> ProviderEvent:
        """Raises ForgedEvent."""
        ...
