"""From a price book to the lines of an invoice: every kind of price, for what a tenant counts
itself and for tokens. Numbers are worked by hand.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from domain.billing_periods import Period
from domain.identifiers import PLATFORM
from domain.invoice_charges import usage_charges, usage_usd
from domain.invoice_documents import build_document
from domain.invoice_facts import BEGINNING, Fact, GatheredFacts
from domain.price_books import PriceBook, PriceVersion, price_book_id
from domain.rating import OWN_METERS, rate
from tests.domain.test_invoice_facts import a_heading

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
USD = 10**12
GPT = "openai/gpt-4o"
PRICES: dict[str, Any] = {
    "meter/*": {
        "pages": {"kind": "graduated", "tiers": [[10, USD, 1], [None, USD // 2, 1]]},
        "stamps": {"kind": "package", "usd_pico": 2 * USD, "size": 10},
        "scans": {"kind": "volume", "tiers": [[100, USD // 10, 1], [None, USD // 20, 1]]},
    },
    "openai/*": {
        "input_tokens": {
            "kind": "graduated",
            "tiers": [[1_000, USD, 1_000], [None, USD // 2, 1_000]],
        },
        "output_tokens": {"kind": "unit", "usd_pico": 6 * USD, "per": 200},
    },
}
# What was used: a model, or none of what the tenant counts itself; and by meter how much.
USED: tuple[tuple[str, Mapping[str, int]], ...] = (
    ("", {"pages": 25}),  # 10 x 1 + 15 x 0.5 = 17.5
    ("", {"pages": 4}),  # 4 x 1 = 4
    ("", {"stamps": 11}),  # 2 packages: 4
    ("", {"stamps": 1}),  # 1 package: 2
    ("", {"scans": 150}),  # 150 x 0.05 = 7.5
    ("", {"scans": 100}),  # 100 x 0.1 = 10
    (GPT, {"requests": 1, "input_tokens": 1_500, "output_tokens": 2}),  # 1 + 0.25, 0.06
    (GPT, {"requests": 1, "input_tokens": 10}),  # 0.01
    ("", {"letters": 3}),  # no price
    (GPT, {"requests": 1}),  # the provider says that it used nothing
)
INCLUDED = {("pages", "*"): Fraction(5), ("input_tokens", "openai/*"): Fraction(1_000)}


def a_version() -> PriceVersion:
    book = PriceBook(id=price_book_id(PLATFORM), owner="tenant")
    book.publish(PRICES, margin="0", effective_from=JANUARY.start, now=JANUARY.start)
    version = book.version_at(JANUARY.start)
    assert version is not None
    return version


def a_month() -> GatheredFacts:
    version, facts = a_version(), list[Fact]()
    for number, (model, quantities) in enumerate(USED, 1):
        rated = rate(quantities, model or OWN_METERS, [version])
        when = JANUARY.start + timedelta(days=number)
        place = (1, number, 0)
        lines = [(meter, quantity, cost) for meter, quantity, cost, *_ in rated.lines]
        facts.append(Fact(place, when, UUID(int=number), "", 1, model, rated.prices, lines))
    gathered = GatheredFacts([JANUARY], BEGINNING, {JANUARY.start: INCLUDED})
    gathered.take(facts)
    return gathered


def test_every_kind_of_price_comes_to_its_line() -> None:
    gathered = a_month()
    heading = a_heading(JANUARY, currency="USD", usd_rate="1", taxes={})
    document: Any = build_document(heading, usage_charges(gathered), gathered)[0]
    told = {line["key"]: (line["quantity"], line["amount"]) for line in document["lines"]}
    assert told == {
        "usage//pages": ("29", "21.50"),
        "usage//stamps": ("12", "6.00"),
        "usage//scans": ("250", "17.50"),
        f"usage/{GPT}/input_tokens": ("1510", "1.26"),
        f"usage/{GPT}/output_tokens": ("2", "0.06"),
        "included/*/pages": ("-5", "-3.50"),  # 5 of the first 25, which cost 17.5
        "included/openai/*/input_tokens": ("-1000", "-0.83"),  # 1,000 of 1,500, which cost 1.25
    }
    assert document["total"] == "41.99"
    assert gathered.prices == {"tenant/1"}


def test_a_minimum_is_of_what_is_left_after_what_is_included() -> None:
    """21.5 + 6 + 17.5 + 1.26 + 0.06 - 3.5 - 5/6."""
    charged = usage_usd(usage_charges(a_month()), JANUARY)
    assert charged == Fraction("42.82") - Fraction(5, 6)


def test_what_has_no_price_is_listed_and_what_was_nothing_costs_nothing() -> None:
    gathered = a_month()
    unpriced = {group.meter: told for group, told in gathered.sums.items() if told.unpriced}
    assert {meter: told.unpriced_quantity for meter, told in unpriced.items()} == {"letters": 3}
    nothing = rate({"requests": 1}, GPT, [a_version()])
    assert nothing.lines == [["requests", 1, 0]]
    unknown = rate({"requests": 1}, "nobody/knows", [a_version()])
    assert unknown.lines == [["requests", 1, None]]
