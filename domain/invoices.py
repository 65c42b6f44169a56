"""Invoice: what a tenant owes for one period, as a pure function of a closed set of facts in the
log (domain/invoice_facts.py). Once it is finalised its document never changes; what was wrong is
put right by credit notes, and what came late is on the next invoice.

    gathering ──► draft ──► finalised ──► issued ──► paid
     (period)    (grace)    (number,        │  ▲ │
                             document)      ▼  │ └──► void
                                        past due ──► uncollectible (may still be paid)
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import JsonObject, StreamId, TenantId

InvoiceStatus: TypeAlias = Literal[
    "gathering", "draft", "finalized", "issued", "paid", "past_due", "uncollectible", "void"
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAYABLE: tuple[InvoiceStatus, ...] = ("issued", "past_due", "uncollectible")
CREDITABLE: tuple[InvoiceStatus, ...] = (*PAYABLE, "paid")


class InvoiceNotFound(NotFound):
    """There is no such invoice."""


class InvoiceNotInState(Refused):
    """The invoice is in a state in which this cannot be done."""

    code = "invoice_state"


class InvoicePaidAlready(Refused):
    """This invoice was paid by something else already."""

    code = "invoice_paid"


class CreditTooLarge(Refused):
    """More would be credited than was invoiced."""

    code = "credit_too_large"


def invoice_id(tenant_id: TenantId, period_start: datetime) -> StreamId:
    """Never changes: of one tenant and period there is one invoice. Later periods have greater ids
    (RFC 9562, version 8: milliseconds first, then a hash).
    """
    hashed = uuid5(tenant_id, f"invoice/{period_start.isoformat()}").int
    began_ms = (period_start - EPOCH) // timedelta(milliseconds=1)
    return StreamId(UUID(int=(began_ms << 80) | (8 << 76) | (hashed & ((1 << 76) - 1))))


class Invoice(Aggregate):
    """document: as it was finalised; empty before. credit_notes: their documents."""

    TOPIC = "invoice"

    class Created(Aggregate.Created):
        """period_start, period_end: RFC 3339, half-open. issuer_id: the tenant that issues it, as
        resellers do; None: the operator. time_zone: of which the period is.
        """

        TOPIC = "invoice.created"
        issuer_id: str | None
        period_start: str
        period_end: str
        time_zone: str

    class Drafted(Aggregate.Event):
        """The period is over. grace_until: RFC 3339; what comes until then is still on it."""

        TOPIC = "invoice.drafted"
        grace_until: str

    class Finalized(Aggregate.Event):
        """number: of the issuer's series. document: all that is on it, as
        domain/invoice_documents.py writes it. content_sha256: of its canonical JSON. total,
        amount_due: of the currency, in its smallest unit.
        """

        TOPIC = "invoice.finalized"
        number: int
        document: JsonObject
        content_sha256: str
        currency: str
        total: int
        amount_due: int

    class Issued(Aggregate.Event):
        """It counts as sent from now on. due_at: RFC 3339."""

        TOPIC = "invoice.issued"
        due_at: str

    class Paid(Aggregate.Event):
        """method: as `manual`, `stripe`. reference: of the payment, unique within its method."""

        TOPIC = "invoice.paid"
        method: str
        reference: str

    class PastDueMarked(Aggregate.Event):
        TOPIC = "invoice.past_due_marked"

    class UncollectibleMarked(Aggregate.Event):
        TOPIC = "invoice.uncollectible_marked"
        reason: str

    class Voided(Aggregate.Event):
        TOPIC = "invoice.voided"
        reason: str

    class Credited(Aggregate.Event):
        """A credit note. number: of the issuer's series of credit notes. amount: of the invoice's
        currency, in its smallest unit, with tax.
        """

        TOPIC = "invoice.credited"
        number: int
        amount: int
        document: JsonObject
        content_sha256: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        issuer_id: str | None,
        period_start: str,
        period_end: str,
        time_zone: str,
    ) -> None:
        self.issuer_id = issuer_id
        self.period_start = datetime.fromisoformat(period_start)
        self.period_end = datetime.fromisoformat(period_end)
        self.time_zone = time_zone
        self.status: InvoiceStatus = "gathering"
        self.grace_until: datetime | None = None
        self.due_at: datetime | None = None
        self.number: int | None = None
        self.document: JsonObject = {}
        self.content_sha256 = ""
        self.currency = ""
        self.total = 0
        self.amount_due = 0
        self.credited = 0
        self.credit_notes: list[JsonObject] = []
        self.payment: tuple[str, str] | None = None

    def open_draft(self, *, now: datetime, grace_until: datetime) -> None:
        """Nothing, when it is one already. Raises InvoiceNotInState before the period is over."""
        if self.status == "draft":
            return
        self._require("gathering")
        if now < self.period_end:
            raise InvoiceNotInState("Its period is not over yet.", status=self.status)
        self._drafted(grace_until.isoformat())

    def require_draft(self) -> None:
        """Raises InvoiceNotInState."""
        self._require("draft")

    def finalize(
        self, *, number: int, document: JsonObject, content_sha256: str, amounts: Mapping[str, Any]
    ) -> None:
        """amounts: currency, total, amount_due. Raises InvoiceNotInState for what is no draft."""
        self.require_draft()
        self._finalized(
            number,
            document,
            content_sha256,
            amounts["currency"],
            amounts["total"],
            amounts["amount_due"],
        )

    def issue(self, *, due_at: datetime) -> None:
        """Of nothing to pay it is paid at once. Raises InvoiceNotInState."""
        self._require("finalized")
        self._issued(due_at.isoformat())
        if self.amount_due == 0:
            self._paid("none", "")

    def require_payable(self) -> None:
        """Raises InvoicePaidAlready, InvoiceNotInState."""
        if self.status == "paid":
            raise InvoicePaidAlready(number=self.number)
        self._require(*PAYABLE)

    def pay(self, *, method: str, reference: str) -> None:
        """The whole of it. Nothing, for the same payment again. Raises InvoicePaidAlready for
        another one, InvoiceNotInState for what cannot be paid.
        """
        if self.status == "paid" and self.payment == (method, reference):
            return
        self.require_payable()
        self._paid(method, reference)

    def mark_past_due(self) -> None:
        """Nothing, when it is so already or was paid meanwhile. Raises InvoiceNotInState."""
        if self.status in ("past_due", "paid", "void", "uncollectible"):
            return
        self._require("issued")
        self._past_due_marked()

    def mark_uncollectible(self, reason: str) -> None:
        """Nobody tries to collect it any more; it may still be paid. Raises InvoiceNotInState."""
        if self.status == "uncollectible":
            return
        self._require("issued", "past_due")
        self._uncollectible_marked(reason)

    def void(self, reason: str) -> None:
        """It should never have been: its number stays, and nothing is owed. Raises
        InvoiceNotInState for what was paid or is not finalised.
        """
        if self.status == "void":
            return
        self._require("finalized", *PAYABLE)
        self._voided(reason)

    def credit(
        self, *, number: int, amount: int, document: JsonObject, content_sha256: str
    ) -> None:
        """Raises InvoiceNotInState, CreditTooLarge."""
        self._require(*CREDITABLE)
        if self.credited + amount > self.total:
            raise CreditTooLarge(total=str(self.total), credited=str(self.credited))
        self._credited(number, amount, document, content_sha256)

    def _require(self, *allowed: InvoiceStatus) -> None:
        if self.status not in allowed:
            wanted = " or ".join(allowed)
            raise InvoiceNotInState(f"The invoice is {self.status}, and not {wanted}.")

    @event(Drafted)
    def _drafted(self, grace_until: str) -> None:
        self.status = "draft"
        self.grace_until = datetime.fromisoformat(grace_until)

    @event(Finalized)
    def _finalized(  # noqa: PLR0917 # the library passes the event's fields
        self,
        number: int,
        document: JsonObject,
        content_sha256: str,
        currency: str,
        total: int,
        amount_due: int,
    ) -> None:
        self.status = "finalized"
        self.number = number
        self.document = document
        self.content_sha256 = content_sha256
        self.currency = currency
        self.total = total
        self.amount_due = amount_due

    @event(Issued)
    def _issued(self, due_at: str) -> None:
        self.status = "issued"
        self.due_at = datetime.fromisoformat(due_at)

    @event(Paid)
    def _paid(self, method: str, reference: str) -> None:
        self.status = "paid"
        self.payment = (method, reference)

    @event(PastDueMarked)
    def _past_due_marked(self) -> None:
        self.status = "past_due"

    @event(UncollectibleMarked)
    def _uncollectible_marked(self, reason: str) -> None:  # noqa: ARG002 # read models tell it
        self.status = "uncollectible"

    @event(Voided)
    def _voided(self, reason: str) -> None:  # noqa: ARG002 # as above
        self.status = "void"

    @event(Credited)
    def _credited(
        self,
        number: int,  # noqa: ARG002 # it stands in the document
        amount: int,
        document: JsonObject,
        content_sha256: str,  # noqa: ARG002 # as above
    ) -> None:
        self.credited += amount
        self.amount_due = max(self.amount_due - amount, 0)
        self.credit_notes.append(document)
