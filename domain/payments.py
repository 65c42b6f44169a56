"""Payment: one thing that a tenant pays, and every try at it.

    pending ──► processing ──► succeeded
      ▲  │          │
      │  └► cancelled
      └── failed ◄──┘ tried again by DUNNING_DAYS, and then abandoned

What succeeded never becomes anything else, in whatever order one is told; money that comes after
the end still counts. A try is recorded before the provider is asked, under a number that the
provider is told, so that a try whose answer was lost is found again and not made twice. Amounts are
exact decimals in whole units of the currency, as text.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import StreamId

Purpose: TypeAlias = Literal["plan", "invoice"]
Status: TypeAlias = Literal[
    "pending", "processing", "failed", "succeeded", "cancelled", "abandoned"
]

# Days from one failed try at an invoice to the next.
DUNNING_DAYS = (3, 5, 7)


class PaymentNotFound(NotFound):
    """There is no such payment."""


class PaymentEnded(Refused):
    """This was paid, or is not to be paid any more."""

    code = "payment_ended"


class PaymentInProgress(Refused):
    """This is being paid at this moment; look again in a while."""

    code = "payment_in_progress"


class NothingToRefund(Refused):
    """So much is not left of what was paid."""

    code = "nothing_to_refund"


def payment_of_invoice(invoice_id: UUID, period_end: datetime) -> StreamId:
    """Never changes: an invoice has one payment, however often it is tried. In the form of UUIDv7,
    so that payments are listed in the order of time.
    """
    milliseconds = int(period_end.timestamp() * 1000)
    hashed = uuid5(invoice_id, "payment").int
    return StreamId(UUID(int=milliseconds << 80 | 7 << 76 | hashed & (1 << 76) - 1))


class Payment(Aggregate):
    """attempt: the number of the newest try; is_attempting: its outcome is not known yet.
    checkout_id: of the newest page to pay at, while it may be open. received, providers, refunded:
    by the provider's reference.
    """

    TOPIC = "payment"

    class Created(Aggregate.Created):
        """purpose: `plan` or `invoice`, by which there is a plan_id or an invoice_id. amount: all
        of it, when it was begun.
        """

        TOPIC = "payment.created"
        purpose: str
        plan_id: str | None
        plan_version: int | None
        invoice_id: str | None
        amount: str
        currency: str

    class CheckoutOpened(Aggregate.Event):
        TOPIC = "payment.checkout_opened"
        checkout_id: str
        amount: str
        expires_at: str

    class CheckoutClosed(Aggregate.Event):
        TOPIC = "payment.checkout_closed"
        checkout_id: str

    class Attempted(Aggregate.Event):
        """The provider is asked for the money from now on. method_id: what it is taken from; empty:
        there is nothing, so this fails.
        """

        TOPIC = "payment.attempted"
        attempt: int
        amount: str
        method_id: str

    class Postponed(Aggregate.Event):
        """Nothing is known yet, or nobody could be asked."""

        TOPIC = "payment.postponed"
        until: str
        reason: str

    class Failed(Aggregate.Event):
        """code: why, in the provider's words. retry_at: when it is tried again; None: never."""

        TOPIC = "payment.failed"
        attempt: int
        reference: str | None
        code: str
        retry_at: str | None

    class Succeeded(Aggregate.Event):
        """provider: `stripe`, or `manual` for a transfer. attempt: None for what was paid by
        somebody. is_whole: nothing is left to pay. received_at: RFC 3339, of the transfer or when
        it was heard of.
        """

        TOPIC = "payment.succeeded"
        provider: str
        reference: str
        attempt: int | None
        amount: str
        currency: str
        is_whole: bool
        received_at: str

    class Refunded(Aggregate.Event):
        """amount: what was given back of the reference this time."""

        TOPIC = "payment.refunded"
        reference: str
        amount: str

    class Abandoned(Aggregate.Event):
        """Nobody tries any more; it can still be paid."""

        TOPIC = "payment.abandoned"

    class Cancelled(Aggregate.Event):
        TOPIC = "payment.cancelled"
        reason: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        purpose: Purpose,
        plan_id: str | None,
        plan_version: int | None,
        invoice_id: str | None,
        amount: str,
        currency: str,
    ) -> None:
        self.purpose: Purpose = purpose
        self.plan_id = plan_id
        self.plan_version = plan_version
        self.invoice_id = invoice_id
        self.amount = Decimal(amount)
        self.currency = currency
        self.status: Status = "pending"
        self.attempt = 0
        self.failures_count = 0
        self.is_attempting = False
        self.attempted_at: datetime = self.created_on
        self.attempted_amount = "0"
        self.attempted_with = ""
        self.retry_at: datetime | None = None
        self.checkout_id: str | None = None
        self.received: dict[str, Decimal] = {}
        self.providers: dict[str, str] = {}
        self.refunded: dict[str, Decimal] = {}

    @property
    def is_ended(self) -> bool:
        return self.status in ("succeeded", "cancelled")

    @property
    def kept(self) -> Decimal:
        """What was received and not given back."""
        return sum(self.received.values(), Decimal(0)) - sum(self.refunded.values(), Decimal(0))

    def require_payable(self) -> None:
        """Raises PaymentEnded, PaymentInProgress."""
        if self.is_ended:
            raise PaymentEnded(payment_id=str(self.id))
        if self.is_attempting:
            raise PaymentInProgress(payment_id=str(self.id))

    def open_checkout(self, checkout_id: str, amount: str, expires_at: datetime) -> None:
        """Raises PaymentEnded, PaymentInProgress."""
        self.require_payable()
        self._checkout_opened(checkout_id, amount, expires_at.isoformat())

    def close_checkout(self, checkout_id: str) -> None:
        """Nobody pays there any more. A plan that nobody paid for is nothing that is owed."""
        if checkout_id == self.checkout_id:
            self._checkout_closed(checkout_id)
            if self.purpose == "plan":
                self.cancel("checkout_expired")

    def begin_attempt(self, amount: str, method_id: str) -> None:
        """Raises PaymentEnded, PaymentInProgress."""
        self.require_payable()
        self._attempted(self.attempt + 1, amount, method_id)

    def postpone(self, until: datetime, reason: str) -> None:
        self._postponed(until.isoformat(), reason)

    def fail(self, attempt: int, code: str, reference: str | None, *, now: datetime) -> bool:
        """Whether this is news: of a try whose outcome is known nothing is recorded."""
        if attempt != self.attempt or not self.is_attempting:
            return False
        retry_at = None
        if not self.is_ended and self.failures_count < len(DUNNING_DAYS):
            retry_at = now + timedelta(days=DUNNING_DAYS[self.failures_count])
        self._failed(attempt, reference, code, None if retry_at is None else retry_at.isoformat())
        if retry_at is None and not self.is_ended:
            self._abandoned()
        return True

    def succeed(
        self,
        provider: str,
        reference: str,
        amount: str,
        *,
        attempt: int | None,
        is_whole: bool,
        received_at: datetime,
    ) -> bool:
        """Whether this is news: each reference counts once."""
        if reference in self.received:
            return False
        told = (attempt, amount, self.currency, is_whole, received_at.isoformat())
        self._succeeded(provider, reference, *told)
        return True

    def refund(self, reference: str, amount: str) -> bool:
        """amount: all until now. Whether this is news."""
        before = self.refunded.get(reference, Decimal(0))
        if reference not in self.received or Decimal(amount) <= before:
            return False
        self._refunded(reference, str(Decimal(amount) - before))
        return True

    def require_refundable(self, reference: str, amount: str) -> None:
        """Raises NothingToRefund."""
        received = self.received.get(reference, Decimal(0))
        left = received - self.refunded.get(reference, Decimal(0))
        if Decimal(amount) > left:
            raise NothingToRefund(reference=reference, left=str(left))

    def cancel(self, reason: str) -> None:
        if not self.is_ended:
            self._cancelled(reason)

    @event(CheckoutOpened)
    def _checkout_opened(self, checkout_id: str, amount: str, expires_at: str) -> None:  # noqa: ARG002 # the library passes the event's fields
        self.checkout_id = checkout_id

    @event(CheckoutClosed)
    def _checkout_closed(self, checkout_id: str) -> None:  # noqa: ARG002 # as above
        self.checkout_id = None

    @event(Attempted)
    def _attempted(self, attempt: int, amount: str, method_id: str) -> None:
        self.attempt = attempt
        self.attempted_amount = amount
        self.attempted_with = method_id
        self.attempted_at = self.modified_on
        self.is_attempting = True
        self.status = "processing"

    @event(Postponed)
    def _postponed(self, until: str, reason: str) -> None:  # noqa: ARG002 # as above
        self.retry_at = datetime.fromisoformat(until)

    @event(Failed)
    def _failed(
        self,
        attempt: int,  # noqa: ARG002 # as above
        reference: str | None,  # noqa: ARG002 # as above
        code: str,  # noqa: ARG002 # as above
        retry_at: str | None,
    ) -> None:
        self.is_attempting = False
        self.failures_count += 1
        self.retry_at = None if retry_at is None else datetime.fromisoformat(retry_at)
        if not self.is_ended:
            self.status = "failed"

    @event(Succeeded)
    def _succeeded(  # noqa: PLR0917 # as above
        self,
        provider: str,
        reference: str,
        attempt: int | None,
        amount: str,
        currency: str,  # noqa: ARG002 # as above
        is_whole: bool,  # noqa: FBT001 # as above
        received_at: str,  # noqa: ARG002 # as above
    ) -> None:
        self.received[reference] = Decimal(amount)
        self.providers[reference] = provider
        if attempt == self.attempt:
            self.is_attempting = False
        if is_whole:
            self.status = "succeeded"
        elif self.status == "processing" and not self.is_attempting:
            self.status = "pending"

    @event(Refunded)
    def _refunded(self, reference: str, amount: str) -> None:
        self.refunded[reference] = self.refunded.get(reference, Decimal(0)) + Decimal(amount)

    @event(Abandoned)
    def _abandoned(self) -> None:
        self.status = "abandoned"

    @event(Cancelled)
    def _cancelled(self, reason: str) -> None:  # noqa: ARG002 # as above
        self.status = "cancelled"
