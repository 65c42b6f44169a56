"""BillingAccount: to whom a tenant's invoices are addressed, on which terms, and up to where it has
been billed. One per tenant; the operator's own, and those of resellers, say who issues.

Periods follow each other without a gap. How far the log was read for the last invoice is what the
next one begins from, so every fact is on one invoice.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import JsonObject, StreamId, TenantId

NUMBER_PREFIX_DEFAULT = "INV-"


class BillingAccountNotFound(NotFound):
    """Nobody said yet on which terms this tenant is billed."""


class CurrencyHeldByBalance(Refused):
    """The currency stays as long as something is carried over to the next invoice."""

    code = "currency_held"


def billing_account_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "billing-account"))


class Terms(NamedTuple):
    """currency: ISO 4217. usd_rate: how much of it a USD is, a decimal string. time_zone: None is
    the tenant's own. taxes: percent by kind of line, `default` for all others, decimal strings.
    """

    currency: str
    usd_rate: str
    time_zone: str | None
    taxes: Mapping[str, str]
    payment_terms_days: int
    grace_s: int


class Closing(NamedTuple):
    """How far billing came with an invoice. next_from, closed_to: [era, tx_id, notification_id].
    Nothing before next_from is to be looked at again; what lies before closed_to and in the period
    is billed. balance: what is carried over, in the smallest unit of the currency; never above 0.
    included_left: of the periods that late facts may be of, by their beginning, then by meter.
    counted: of the periods that the invoice has facts of, by their beginning, how much was used in
    them so far where a price is over the period: [model, meter, id of the price, quantity, how much
    of it was free].
    """

    invoice_id: str
    period_end: str
    next_from: list[int]
    closed_to: list[int]
    balance: int
    included_left: JsonObject
    counted: JsonObject


class BillingAccount(Aggregate):
    TOPIC = "billing_account"

    class Created(Aggregate.Created):
        TOPIC = "billing_account.created"

    class Addressed(Aggregate.Event):
        """address: lines as they are printed. country: ISO 3166, two letters. number_prefix: of
        what this account issues.
        """

        TOPIC = "billing_account.addressed"
        legal_name: str
        address: list[str]
        country: str
        tax_id: str | None
        email: str | None
        number_prefix: str

    class TermsChanged(Aggregate.Event):
        TOPIC = "billing_account.terms_changed"
        currency: str
        usd_rate: str
        time_zone: str | None
        taxes: JsonObject
        payment_terms_days: int
        grace_s: int

    class BillingStarted(Aggregate.Event):
        """starts_at: RFC 3339; what was used before is never billed."""

        TOPIC = "billing_account.billing_started"
        starts_at: str

    class PeriodClosed(Aggregate.Event):
        """As Closing has it."""

        TOPIC = "billing_account.period_closed"
        class_version = 2
        invoice_id: str
        period_end: str
        next_from: list[int]
        closed_to: list[int]
        balance: int
        included_left: JsonObject
        counted: JsonObject

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """No price was over a period."""
            state["counted"] = {}

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
    ) -> None:
        self.party: JsonObject = {}
        self.number_prefix = NUMBER_PREFIX_DEFAULT
        self.terms: Terms | None = None
        self.starts_at: datetime | None = None
        self.closed: Closing | None = None
        self.periods: list[tuple[datetime, datetime]] = []
        # As Closing has it, of all periods: what late facts are added to. By what is one sum.
        self.counted: dict[str, dict[str, list[Any]]] = {}

    @property
    def next_start(self) -> datetime:
        """Where the period begins that is not billed yet. Raises BillingAccountNotFound."""
        if self.closed is not None:
            return datetime.fromisoformat(self.closed.period_end)
        if self.starts_at is None:
            raise BillingAccountNotFound
        return self.starts_at

    def address_to(self, party: JsonObject, *, number_prefix: str | None) -> None:
        """party: legal_name, address, country, tax_id, email. None leaves the prefix as it is."""
        prefix = self.number_prefix if number_prefix is None else number_prefix
        if (party, prefix) != (self.party, self.number_prefix):
            told: dict[str, Any] = party
            self._addressed(**told, number_prefix=prefix)

    def change_terms(self, terms: Terms, *, starts_at: datetime) -> None:
        """starts_at: counts the first time only. Raises CurrencyHeldByBalance."""
        has_balance = self.closed is not None and self.closed.balance != 0
        if has_balance and self.terms is not None and terms.currency != self.terms.currency:
            raise CurrencyHeldByBalance
        if terms != self.terms:
            self._terms_changed(
                terms.currency,
                terms.usd_rate,
                terms.time_zone,
                {**terms.taxes},
                terms.payment_terms_days,
                terms.grace_s,
            )
        if self.starts_at is None:
            self._billing_started(starts_at.isoformat())

    def close_period(self, closing: Closing) -> None:
        assert datetime.fromisoformat(closing.period_end) > self.next_start
        self._period_closed(*closing)

    @event(Addressed)
    def _addressed(  # noqa: PLR0917 # the library passes the event's fields
        self,
        legal_name: str,
        address: list[str],
        country: str,
        tax_id: str | None,
        email: str | None,
        number_prefix: str,
    ) -> None:
        self.party = {
            "legal_name": legal_name,
            "address": [*address],
            "country": country,
            "tax_id": tax_id,
            "email": email,
        }
        self.number_prefix = number_prefix

    @event(TermsChanged)
    def _terms_changed(  # noqa: PLR0917 # as above
        self,
        currency: str,
        usd_rate: str,
        time_zone: str | None,
        taxes: JsonObject,
        payment_terms_days: int,
        grace_s: int,
    ) -> None:
        percents = {kind: str(percent) for kind, percent in taxes.items()}
        self.terms = Terms(currency, usd_rate, time_zone, percents, payment_terms_days, grace_s)

    @event(BillingStarted)
    def _billing_started(self, starts_at: str) -> None:
        self.starts_at = datetime.fromisoformat(starts_at)

    @event(PeriodClosed)
    def _period_closed(  # noqa: PLR0917 # as above
        self,
        invoice_id: str,
        period_end: str,
        next_from: list[int],
        closed_to: list[int],
        balance: int,
        included_left: JsonObject,
        counted: JsonObject,
    ) -> None:
        self.periods.append((self.next_start, datetime.fromisoformat(period_end)))
        self.closed = Closing(
            invoice_id, period_end, next_from, closed_to, balance, included_left, counted
        )
        for start, sums in cast("dict[str, list[Any]]", counted).items():
            for told in sums:
                self.counted.setdefault(start, {})["/".join(told[:3])] = told
