"""What is on an invoice, as a pure function: of the facts that were gathered, and of aggregates as
they were at versions that the document names. Who finalises, who previews and who verifies all call
this, so an invoice that is made again from the log is made in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, cast

from domain.billing_accounts import BillingAccount, Closing
from domain.billing_periods import Period
from domain.charges import Charge
from domain.credits import CreditAccount
from domain.currencies import round_half_even, usd_of_smallest
from domain.identifiers import Json, JsonObject
from domain.invoice_charges import usage_charges, usage_usd
from domain.invoice_documents import (
    Amounts,
    Burn,
    Due,
    Heading,
    build_document,
    exact_text,
    no_credits,
)
from domain.invoice_facts import BEGINNING, GatheredFacts, Place, Pool, PricedGroup
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.period_prices import Counted
from domain.subscriptions import Subscription

# How late facts may come; what was included in a period that is older is forgotten.
LATE_MAX = timedelta(days=370)


@dataclass(frozen=True, slots=True)
class Bounds:
    """As domain/invoice_facts.py draws them."""

    read_from: Place
    billed_to: Place
    closed_to: Place

    @classmethod
    def after(cls, account: BillingAccount, closed_to: Place) -> "Bounds":
        """What no invoice of the account has yet, up to a place."""
        if account.closed is None:
            return cls(BEGINNING, BEGINNING, closed_to)
        return cls(
            place_of(account.closed.next_from), place_of(account.closed.closed_to), closed_to
        )


@dataclass(frozen=True, slots=True)
class Party:
    """Who issues, or whom it is for. document: as invoices have it. account_version,
    tenant_version: of the billing account and the tenant that it was read off; 0 is none.
    """

    document: JsonObject
    number_prefix: str
    account_version: int
    tenant_version: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What an invoice is made of besides facts. credit: burns."""

    account: BillingAccount
    invoice: Invoice
    subscription: Subscription | None
    credit: CreditAccount | None
    issuer: Party
    customer: Party

    @property
    def period(self) -> Period:
        return Period(self.invoice.period_start, self.invoice.period_end)

    def versions(self) -> JsonObject:
        """0: there was none, or nothing was asked of it."""
        return {
            "billing_account": self.account.version,
            "credit_account": 0 if self.credit is None else self.credit.version,
            "issuer_account": self.issuer.account_version,
            "issuer_tenant": self.issuer.tenant_version,
            "subscription": 0 if self.subscription is None else self.subscription.version,
            "tenant": self.customer.tenant_version,
        }

    def gathering(self, bounds: Bounds) -> GatheredFacts:
        """That takes the facts of the period, and late ones of those before."""
        return GatheredFacts(
            periods=[*(Period(*one) for one in self.account.periods), self.period],
            billed_to=bounds.billed_to,
            included=_included(self.account, self.period, self.subscription),
            counted=_counted(self.account),
        )


@dataclass(frozen=True, slots=True)
class Written:
    document: JsonObject
    amounts: Amounts
    closing: Closing


def write_invoice(
    sources: Sources, gathered: GatheredFacts, *, number: str, bounds: Bounds, now: datetime
) -> Written:
    """number: as it is printed."""
    heading = _heading(sources, number=number, bounds=bounds, now=now)
    made_of = sources.versions()
    document, amounts = build_document(
        heading,
        _charges(gathered, sources.subscription),
        gathered,
        _burning(sources.credit, heading, now=now),
    )
    closing = Closing(
        invoice_id=heading.invoice_id,
        period_end=sources.invoice.period_end.isoformat(),
        next_from=[*(gathered.next_from or bounds.closed_to)],
        closed_to=[*bounds.closed_to],
        balance=amounts.balance_after,
        included_left=_left(gathered, now),
        counted=_counted_after(gathered),
    )
    return Written({**document, "made_of": made_of}, amounts, closing)


def place_of(numbers: list[int]) -> Place:
    era, tx_id, notification_id = numbers
    return era, tx_id, notification_id


def _charges(gathered: GatheredFacts, subscription: Subscription | None) -> list[Charge]:
    """Of usage and of the subscription, exact."""
    charges = usage_charges(gathered)
    if subscription is None:
        return charges
    period = gathered.period
    usage = usage_usd(charges, period)
    charges += subscription.charges(*period)
    minimum = subscription.minimum(*period, usage)
    return charges if minimum is None else [*charges, minimum]


def _heading(sources: Sources, *, number: str, bounds: Bounds, now: datetime) -> Heading:
    account, terms = sources.account, sources.account.terms
    assert terms is not None
    return Heading(
        number=number,
        invoice_id=str(sources.invoice.id),
        issuer=sources.issuer.document,
        customer=sources.customer.document,
        period=sources.period,
        time_zone=sources.invoice.time_zone,
        finalized_at=now,
        currency=terms.currency,
        usd_rate=terms.usd_rate,
        taxes=terms.taxes,
        payment_terms_days=terms.payment_terms_days,
        balance_before=0 if account.closed is None else account.closed.balance,
        read_from=bounds.read_from,
        billed_to=bounds.billed_to,
        closed_to=bounds.closed_to,
    )


def _burning(credit: CreditAccount | None, heading: Heading, *, now: datetime) -> Burn:
    """Credits are in USD: what is due is asked for at the rate of the invoice."""
    if credit is None:
        return no_credits
    smallest_usd = usd_of_smallest(heading.currency, heading.usd_rate)

    def burn(due: Due) -> int:
        wanted = ceil(due.amount * smallest_usd * PICO_PER_USD)
        usage = ceil(due.usage * smallest_usd * PICO_PER_USD)
        paid = credit.burn(heading.invoice_id, wanted, usage_pico=usage, at=now)
        return min(round_half_even(Fraction(paid, PICO_PER_USD) / smallest_usd), due.amount)

    return burn


def _included(
    account: BillingAccount, period: Period, subscription: Subscription | None
) -> dict[datetime, Mapping[Pool, Fraction]]:
    """What is free in this period; and what is left of earlier ones, for facts that come late."""
    left = {} if account.closed is None else account.closed.included_left
    found: dict[datetime, Mapping[Pool, Fraction]] = {}
    for start, pools in cast("dict[str, list[Any]]", left).items():
        found[datetime.fromisoformat(start)] = {
            (meter, model): Fraction(quantity) for meter, model, quantity in pools
        }
    own = [] if subscription is None else subscription.included(*period)
    if own:
        found[period.start] = {(one.meter, one.model): one.quantity for one in own}
    return found


def _left(gathered: GatheredFacts, now: datetime) -> JsonObject:
    left: JsonObject = {}
    for start in gathered.included:
        some: list[Json] = [
            [meter, model, exact_text(free.left)]
            for (meter, model), free in gathered.free(start).items()
            if free.left
        ]
        if some and start > now - LATE_MAX:
            left[start.isoformat()] = some
    return left


def _counted(account: BillingAccount) -> dict[datetime, Mapping[PricedGroup, Counted]]:
    return {
        datetime.fromisoformat(start): {
            PricedGroup(*group): Counted(int(quantity), Fraction(free))
            for *group, quantity, free in sums.values()
        }
        for start, sums in account.counted.items()
    }


def _counted_after(gathered: GatheredFacts) -> JsonObject:
    """What changed: the account knows the others."""
    counted: JsonObject = {}
    for period, sums in gathered.period_sums.items():
        after = gathered.counted_after(period)
        some: list[Json] = [
            [*group, str(after[group].quantity), exact_text(after[group].free)]
            for group in sorted(sums)
        ]
        counted[period.start.isoformat()] = some
    return counted
