"""An invoice is a pure function of a closed set of facts: whatever order they came in, however
often they were read, and in whatever pages.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing_periods import Period
from domain.charges import Charge
from domain.currencies import EXPONENTS, amount_text, in_smallest_unit, smallest_of
from domain.invoice_charges import usage_charges
from domain.invoice_documents import Heading, build_document, canonical, exact_text
from domain.invoice_facts import BEGINNING, Fact, GatheredFacts, Place
from domain.invoice_periods import month_after
from domain.money import PICO_PER_USD

JANUARY, FEBRUARY, MARCH = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
US = timedelta(microseconds=1)
PERIODS = (Period(JANUARY, FEBRUARY), Period(FEBRUARY, MARCH))
FREE = {("input_tokens", "*"): Fraction(1000, 3), ("input_tokens", "a/*"): Fraction(50)}


def a_fact(number: int, happened_at: datetime, **told: Any) -> Fact:
    usual: dict[str, Any] = {
        "place": (1, number, 0),
        "stream_id": UUID(int=number),
        "path": "",
        "attempt": 1,
        "model": "a/b",
        "prices": "platform/1",
        "lines": [("input_tokens", 7, 3)],
    }
    return Fact(happened_at=happened_at, **{**usual, **told})


def a_heading(period: Period, **told: Any) -> Heading:
    usual: dict[str, Any] = {
        "number": "INV-000001",
        "invoice_id": str(UUID(int=1)),
        "issuer": {},
        "customer": {},
        "time_zone": "UTC",
        "finalized_at": MARCH,
        "currency": "EUR",
        "usd_rate": "0.5",
        "taxes": {"default": "19"},
        "payment_terms_days": 14,
        "balance_before": 0,
        "read_from": BEGINNING,
        "billed_to": BEGINNING,
        "closed_to": BEGINNING,
    }
    return Heading(period=period, **{**usual, **told})


def document_of(facts: list[Fact], pages: int = 1, **told: Any) -> bytes:
    """Of the first period, with something included."""
    gathered = GatheredFacts(PERIODS[:1], BEGINNING, {JANUARY: FREE})
    for start in range(0, len(facts), pages):
        gathered.take(facts[start : start + pages])
    heading = a_heading(PERIODS[0], **told)
    return canonical(build_document(heading, usage_charges(gathered), gathered)[0])


instants = st.integers(0, 59).map(lambda days: JANUARY + timedelta(days=days))
facts_told = st.lists(
    st.tuples(instants, st.integers(1, 500), st.integers(0, 10**13), st.sampled_from("ab")),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(told=facts_told, seed=st.integers(0, 10**6), page=st.integers(1, 5))
def test_the_order_in_which_facts_were_stored_changes_no_byte(
    told: list[tuple[datetime, int, int, str]], seed: int, page: int
) -> None:
    facts = [
        a_fact(n, when, model=f"{name}/m", lines=[("input_tokens", quantity, cost)])
        for n, (when, quantity, cost, name) in enumerate(told, 1)
    ]
    stored = facts.copy()
    random.Random(seed).shuffle(stored)
    again = [fact._replace(place=(1, n, 0)) for n, fact in enumerate(stored, 1)]
    assert document_of(again, page) == document_of(facts)


def closed(facts: list[Fact], cuts: list[int]) -> list[GatheredFacts]:
    """The invoices of both periods, the log being read up to these cuts."""
    read_from: Place = BEGINNING
    billed_to: Place = BEGINNING
    made: list[GatheredFacts] = []
    for number, cut in enumerate(cuts, 1):
        closed_to = (1, cut, -1)
        gathered = GatheredFacts(PERIODS[:number], billed_to)
        gathered.take([fact for fact in facts if read_from < fact.place < closed_to])
        made.append(gathered)
        read_from, billed_to = gathered.next_from or closed_to, closed_to
    return made


@settings(max_examples=100, deadline=None)
@given(told=facts_told, cut=st.integers(1, 21))
def test_every_fact_is_on_one_invoice_however_late_it_came(
    told: list[tuple[datetime, int, int, str]], cut: int
) -> None:
    """Conservation: what the log has of both periods is what the two invoices have together."""
    facts = [
        a_fact(n, when, lines=[("input_tokens", quantity, cost)])
        for n, (when, quantity, cost, _) in enumerate(told, 1)
    ]
    both = closed(facts, [cut, 22])
    digests = sorted(digest for one in both for digest in one.digests)
    billed = [fact for fact in facts if fact.happened_at < MARCH]
    assert digests == sorted(fact.digest() for fact in billed)
    charged = sum((charge.amount_usd for one in both for charge in usage_charges(one)), Fraction(0))
    assert charged * PICO_PER_USD == sum(fact.lines[0][2] or 0 for fact in billed if fact.lines)
    for charge in usage_charges(both[1]):
        assert (charge.kind == "adjustment") == (charge.start == JANUARY)


@pytest.mark.parametrize(
    ("happened_at", "is_on_it"),
    [(JANUARY - US, False), (JANUARY, True), (FEBRUARY - US, True), (FEBRUARY, False)],
)
def test_a_period_has_its_beginning_and_not_its_end(happened_at: datetime, is_on_it: bool) -> None:
    gathered = GatheredFacts(PERIODS[:1], BEGINNING)
    gathered.take([a_fact(1, happened_at)])
    assert len(gathered.digests) == is_on_it


def test_what_is_included_is_taken_exactly_and_from_the_most_special_first() -> None:
    gathered = GatheredFacts(PERIODS[:1], BEGINNING, {JANUARY: FREE})
    gathered.take([a_fact(1, JANUARY, lines=[("input_tokens", 400, 400)])])
    free = gathered.free(JANUARY)
    assert free["input_tokens", "a/*"].quantity == 50
    # A third of a token costs a third of what a token costs.
    assert free["input_tokens", "*"].usd * PICO_PER_USD == Fraction(1000, 3)
    assert free["input_tokens", "*"].left == 0


@pytest.mark.parametrize("count", [10**4, pytest.param(10**6, marks=pytest.mark.slow)])
def test_so_many_facts_that_cost_next_to_nothing_are_rounded_once(count: int) -> None:
    """1.3e-10 USD each: a million are 0.00013 USD, which is nothing in EUR and not a million times
    nothing.
    """
    gathered = GatheredFacts(PERIODS[:1], BEGINNING)
    for first in range(0, count, 1000):
        gathered.take(
            [
                a_fact(first + place, JANUARY, lines=[("input_tokens", 1, 130)])
                for place in range(1000)
            ]
        )
    (charge,) = usage_charges(gathered)
    assert charge.quantity == count
    assert charge.amount_usd == Fraction(count * 13, 10**11)
    assert in_smallest_unit(charge.amount_usd * 10**10 / count, "EUR") == 130
    assert in_smallest_unit(charge.amount_usd, "EUR") == 0


@pytest.mark.parametrize(
    ("usd", "currency", "rate", "amount"),
    [
        ("0.005", "EUR", "1", "0.00"),  # Half to even.
        ("0.015", "EUR", "1", "0.02"),
        ("0.0150000001", "EUR", "1", "0.02"),
        ("1", "JPY", "150.5", "150"),
        ("1", "JPY", "151.5", "152"),
        ("1", "KWD", "0.3075", "0.308"),
        ("1", "KWD", "0.3065", "0.306"),
        ("-0.015", "USD", "1", "-0.02"),
        ("1", "CLF", "0.02345", "0.0234"),
    ],
)
def test_a_line_is_rounded_once_to_what_its_currency_is_counted_in(
    usd: str, currency: str, rate: str, amount: str
) -> None:
    charge = Charge("usage", "k", "d", Fraction(1), "units", Fraction(usd), JANUARY, FEBRUARY)
    gathered = GatheredFacts(PERIODS[:1], BEGINNING)
    heading = a_heading(PERIODS[0], currency=currency, usd_rate=rate, taxes={})
    document: Any = build_document(heading, [charge], gathered)[0]
    assert document["lines"][0]["amount"] == document["total"] == amount
    assert amount_text(smallest_of(amount, currency), currency) == amount


def test_tax_is_of_rounded_lines_and_totals_add_up() -> None:
    charges = [
        Charge("usage", str(n), "d", Fraction(1), "units", Fraction(1, 3), JANUARY, FEBRUARY)
        for n in range(3)
    ]
    gathered = GatheredFacts(PERIODS[:1], BEGINNING)
    heading = a_heading(PERIODS[0], usd_rate="1", taxes={"usage": "7.5"})
    document: Any = build_document(heading, charges, gathered)[0]
    assert [(line["amount"], line["tax"]) for line in document["lines"]] == [("0.33", "0.02")] * 3
    assert (document["subtotal"], document["tax"], document["total"]) == ("0.99", "0.06", "1.05")


def test_what_is_less_than_nothing_is_carried_over() -> None:
    back = Charge("proration", "p", "d", Fraction(1), "x", Fraction(-3), JANUARY, FEBRUARY)
    gathered = GatheredFacts(PERIODS[:1], BEGINNING)
    heading = a_heading(PERIODS[0], usd_rate="1", taxes={}, balance_before=-100)
    document, amounts = build_document(heading, [back], gathered)
    assert (document["amount_due"], amounts.balance_after) == ("0.00", -400)


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Europe/Berlin", "2026-03-01T00:00:00+01:00", 31 * 24 - 1),
        ("Europe/Berlin", "2026-10-01T00:00:00+02:00", 31 * 24 + 1),
        ("Asia/Kathmandu", "2028-02-01T00:00:00+05:45", 29 * 24),
        ("UTC", "2026-02-01T00:00:00+00:00", 28 * 24),
        ("Pacific/Apia", "2026-12-01T00:00:00+13:00", 31 * 24),
    ],
)
def test_a_month_is_that_of_its_time_zone(zone: str, start: str, hours: int) -> None:
    begin = datetime.fromisoformat(start)
    end = month_after(begin, zone)
    assert end - begin == timedelta(hours=hours)
    local = end.astimezone(ZoneInfo(zone))
    assert (local.day, local.hour, local.minute) == (1, 0, 0)


def test_months_follow_each_other_without_a_gap_wherever_they_begin() -> None:
    ends = [datetime(2026, 1, 31, 18, 15, tzinfo=UTC)]
    for _ in range(30):
        ends.append(month_after(ends[-1], "Asia/Kathmandu"))
    assert all(one < other for one, other in pairwise(ends))
    assert all(end.astimezone(ZoneInfo("Asia/Kathmandu")).day == 1 for end in ends)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Fraction(1, 3), "1/3"),
        (Fraction(5, 4), "1.25"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(7), "7"),
        (Fraction(1, 10**12), "0.000000000001"),
    ],
)
def test_what_is_exact_is_told_exactly(amount: Fraction, text: str) -> None:
    assert exact_text(amount) == text
    assert Fraction(text) == amount


def test_every_currency_of_iso_4217_is_counted_as_it_says() -> None:
    assert len(EXPONENTS) >= 165
    known = [EXPONENTS[code] for code in ("JPY", "EUR", "KWD", "UYW", "ISK", "TND", "CLF")]
    assert known == [0, 2, 3, 4, 0, 3, 4]


@given(
    st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("UTC")])),
    st.uuids(),
    st.text(max_size=5),
)
def test_the_digest_of_a_fact_is_of_its_time_and_stream_as_text(
    happened_at: datetime, stream_id: UUID, path: str
) -> None:
    fact = a_fact(1, happened_at, stream_id=stream_id, path=path)
    told = [happened_at.isoformat(), str(stream_id), *fact[3:]]
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    assert fact.digest() == sha256(text.encode()).digest()
