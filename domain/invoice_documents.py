"""The document of an invoice: everything that is on it, as JSON. A pure function of its heading,
its charges and the facts that were gathered: the same ones give the same bytes, and the hash of
these is stored with it.

Each line is rounded once, to the smallest unit of the currency, half to even. Taxes are of the
rounded lines, and rounded once for each. Totals are sums of what was rounded, and so add up.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import orjson

from domain.billing_periods import Period
from domain.charges import Charge
from domain.currencies import amount_text, in_smallest_unit, round_half_even
from domain.identifiers import Json, JsonObject
from domain.invoice_facts import GatheredFacts, Place
from domain.invoice_groups import words

FORMAT = "agentledger.invoice/1"
NO_TAX = "0"
DEFAULT_TAX = "default"
# In the order in which lines are read.
KINDS = ("recurring", "proration", "usage", "included", "minimum", "adjustment")


class Heading(NamedTuple):
    """What an invoice says besides what is charged. number: as it is printed. issuer, customer: as
    BillingAccount.party, with an `id`. usd_rate, taxes: as domain/billing_accounts.py has them.
    balance_before: carried over from the invoice before, in the smallest unit; never above 0.
    """

    number: str
    invoice_id: str
    issuer: JsonObject
    customer: JsonObject
    period: Period
    time_zone: str
    finalized_at: datetime
    currency: str
    usd_rate: str
    taxes: Mapping[str, str]
    payment_terms_days: int
    balance_before: int
    read_from: Place
    billed_to: Place
    closed_to: Place


class Amounts(NamedTuple):
    """In the smallest unit of the currency. balance_after: is carried over to the next one."""

    currency: str
    total: int
    amount_due: int
    balance_after: int


class Due(NamedTuple):
    """What is to be paid, in the smallest unit of the currency; and how much of it is of usage."""

    amount: int
    usage: int


# Pays with credits, as far as there are some, and says how much.
Burn: TypeAlias = Callable[[Due], int]
USAGE_KINDS = frozenset({"usage", "included", "minimum", "adjustment"})


def no_credits(due: Due) -> int:
    del due
    return 0


class _Line(NamedTuple):
    charge: Charge
    amount: int
    tax_percent: str
    tax: int


def build_document(
    heading: Heading,
    charges: Sequence[Charge],
    gathered: GatheredFacts,
    burn: Burn = no_credits,
) -> tuple[JsonObject, Amounts]:
    lines = [
        _line(heading, charge)
        for charge in sorted(charges, key=lambda one: (KINDS.index(one.kind), one.key, one.start))
    ]
    subtotal = sum(line.amount for line in lines)
    tax = sum(line.tax for line in lines)
    total = subtotal + tax
    due = total + heading.balance_before
    of_usage = sum(line.amount + line.tax for line in lines if line.charge.kind in USAGE_KINDS)
    paid = burn(Due(due, min(max(of_usage, 0), due))) if due > 0 else 0
    amounts = Amounts(heading.currency, total, max(due, 0) - paid, min(due, 0))

    def money(smallest: int) -> str:
        return amount_text(smallest, heading.currency)

    document: JsonObject = {
        "format": FORMAT,
        **_head(heading),
        "lines": [_told(heading, line, place) for place, line in enumerate(lines, 1)],
        "subtotal": money(subtotal),
        "taxes": _taxes(heading, lines),
        "tax": money(tax),
        "total": money(total),
        "balance_before": money(heading.balance_before),
        "credits": money(paid),
        "amount_due": money(amounts.amount_due),
        "balance_after": money(amounts.balance_after),
        "included": _pools(gathered),
        "unpriced": _unpriced(gathered),
        "held": len(gathered.held),
        "facts": {
            "count": len(gathered.digests),
            "sha256": gathered.sha256(),
            "read_from": [*heading.read_from],
            "billed_to": [*heading.billed_to],
            "closed_to": [*heading.closed_to],
        },
        "price_books": [*sorted(gathered.prices)],
    }
    return document, amounts


def canonical(document: JsonObject) -> bytes:
    """The bytes that are hashed and shown: members in the order of their names, no spaces."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def content_sha256(document: JsonObject) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def exact_text(amount: Fraction) -> str:
    """A decimal string where there is one, else a fraction: 1/3."""
    rest = amount.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return str(amount)
    places = 0
    while 10**places % amount.denominator:
        places += 1
    return f"{Decimal(int(amount * 10**places)).scaleb(-places):f}"


def _line(heading: Heading, charge: Charge) -> _Line:
    amount = in_smallest_unit(charge.amount_usd * Fraction(heading.usd_rate), heading.currency)
    percent = heading.taxes.get(charge.kind, heading.taxes.get(DEFAULT_TAX, NO_TAX))
    return _Line(charge, amount, percent, round_half_even(Fraction(percent) * amount / 100))


def _head(heading: Heading) -> dict[str, Json]:
    return {
        "number": heading.number,
        "invoice_id": heading.invoice_id,
        "issuer": heading.issuer,
        "customer": heading.customer,
        "period": _period(heading.period),
        "time_zone": heading.time_zone,
        "finalized_at": heading.finalized_at.isoformat(),
        "currency": heading.currency,
        "usd_rate": heading.usd_rate,
        "tax_percents": {**heading.taxes},
        "payment_terms_days": heading.payment_terms_days,
    }


def _period(period: Period) -> JsonObject:
    return {"start": period.start.isoformat(), "end": period.end.isoformat()}


def _told(heading: Heading, line: _Line, place: int) -> JsonObject:
    charge = line.charge
    return {
        "line": place,
        "kind": charge.kind,
        "key": charge.key,
        "description": charge.description,
        "quantity": exact_text(charge.quantity),
        "unit": charge.unit,
        "usd": exact_text(charge.amount_usd),
        "amount": amount_text(line.amount, heading.currency),
        "tax_percent": line.tax_percent,
        "tax": amount_text(line.tax, heading.currency),
        "start": charge.start.isoformat(),
        "end": charge.end.isoformat(),
    }


def _taxes(heading: Heading, lines: Sequence[_Line]) -> list[Json]:
    by_percent: dict[str, list[_Line]] = {}
    for line in lines:
        by_percent.setdefault(line.tax_percent, []).append(line)
    return [
        {
            "percent": percent,
            "of": amount_text(sum(one.amount for one in taxed), heading.currency),
            "tax": amount_text(sum(one.tax for one in taxed), heading.currency),
        }
        for percent, taxed in sorted(by_percent.items(), key=lambda one: Fraction(one[0]))
    ]


def _pools(gathered: GatheredFacts) -> list[Json]:
    """What was free before this invoice, of the periods that it has facts of."""
    return [
        {
            "start": start.isoformat(),
            "meter": meter,
            "model": model,
            "quantity": exact_text(quantity),
        }
        for start, pools in sorted(gathered.included.items())
        for (meter, model), quantity in sorted(pools.items())
    ]


def _unpriced(gathered: GatheredFacts) -> list[Json]:
    """What has no price: listed, not charged, and never silently zero."""
    told: list[tuple[Any, ...]] = sorted(
        (group.period.start.isoformat(), group.model, group.meter, one)
        for group, found in gathered.sums.items()
        if found.unpriced
        for one in [(found.unpriced_quantity, found.unpriced)]
    )
    return [
        {
            "start": start,
            "model": model,
            "meter": meter,
            "description": words(meter),
            "quantity": str(quantity),
            "facts": facts,
        }
        for start, model, meter, (quantity, facts) in told
    ]
