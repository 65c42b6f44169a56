"""Prices over a period, from a price book to the lines of invoices. Numbers are worked by hand:

pages   0.01 each to 1,000; then 0.005 each and 2 once; above 5,000 it is 0.001 each
scans   0.10 each to 100; all of them 0.05 each when there are more
stamps  2 for each 10 that are begun
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing_periods import Period
from domain.identifiers import PLATFORM
from domain.invoice_charges import LINES_MAX, OTHER, usage_charges, usage_usd
from domain.invoice_documents import build_document
from domain.invoice_facts import BEGINNING, Fact, GatheredFacts, PricedGroup
from domain.money import PICO_PER_USD
from domain.period_prices import Counted, period_total
from domain.price_books import PriceBook, PriceVersion, price_book_id
from domain.rating import OWN_METERS, rate
from tests.domain.test_invoice_facts import a_heading

USD = PICO_PER_USD
CENT = USD // 100
US = timedelta(microseconds=1)
JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY = Period(JANUARY.end, datetime(2026, 3, 1, tzinfo=UTC))
PAGES = [[1_000, CENT, 1], [5_000, CENT, 2, 2 * USD], [None, CENT, 10]]
PRICES: dict[str, Any] = {
    "meter/*": {
        "pages": {"kind": "graduated", "tiers": PAGES, "over": "period"},
        "scans": {
            "kind": "volume",
            "tiers": [[100, 10 * CENT, 1], [None, 5 * CENT, 1]],
            "over": "period",
        },
        "stamps": {"kind": "package", "usd_pico": 2 * USD, "size": 10, "over": "period"},
        "letters": {"kind": "unit", "usd_pico": USD, "per": 1},
    }
}


def a_version(prices: dict[str, Any] = PRICES, margin: str = "0") -> PriceVersion:
    book = PriceBook(id=price_book_id(PLATFORM), owner="tenant")
    book.publish(prices, margin=margin, effective_from=JANUARY.start, now=JANUARY.start)
    version = book.version_at(JANUARY.start)
    assert version is not None
    return version


def a_fact(number: int, meter: str, quantity: int, at: datetime, *books: PriceVersion) -> Fact:
    """As an event that a tenant sent. number: where it lies in the log."""
    rated = rate({meter: quantity}, OWN_METERS, books or [a_version()])
    lines: Any = rated.lines
    return Fact((1, number, 0), at, UUID(int=number), "", 0, "", rated.prices, lines)


def gathered(
    facts: Sequence[Fact],
    *,
    before: GatheredFacts | None = None,
    included: Mapping[Any, Fraction] | None = None,
) -> GatheredFacts:
    """The invoice of January, or of February after that of January; included: in January."""
    free = {} if included is None else {JANUARY.start: included}
    if before is None:
        found = GatheredFacts([JANUARY], BEGINNING, free)
    else:
        counted = {JANUARY.start: before.counted_after(JANUARY)}
        found = GatheredFacts([JANUARY, FEBRUARY], BEGINNING, free, counted)
    found.take(facts)
    return found


def lines(found: GatheredFacts, **heading: Any) -> list[tuple[str, str, str, str]]:
    """Kind, description, quantity and amount of each line."""
    told = {"currency": "USD", "usd_rate": "1", "taxes": {}, **heading}
    head = a_heading(found.period, **told)
    document: Any = build_document(head, usage_charges(found), found)[0]
    return [
        (line["kind"], line["description"], line["quantity"], line["amount"])
        for line in document["lines"]
    ]


def used(meter: str, quantities: Sequence[int], at: datetime = JANUARY.start) -> list[Fact]:
    return [a_fact(number, meter, one, at) for number, one in enumerate(quantities, 1)]


TIER_1, TIER_2 = "Pages (tier 1: up to 1000)", "Pages (tier 2: above 1000, up to 5000)"


@pytest.mark.parametrize(
    "quantities", [[1] * 1_500, [1_500], [999, 2, 499]], ids=["ones", "one", "some"]
)
def test_graduated_tiers_are_of_all_that_was_used_however_it_came(quantities: list[int]) -> None:
    """1000 x 0.01; 500 x 0.005 + 2."""
    assert lines(gathered(used("pages", quantities))) == [
        ("usage", TIER_1, "1000", "10.00"),
        ("usage", TIER_2, "500", "4.50"),
    ]


@pytest.mark.parametrize(
    ("meter", "quantities", "expected"),
    [
        ("pages", [1_000], [(TIER_1, "1000", "10.00")]),
        # The fee is due with the first page of its tier.
        ("pages", [1_001], [(TIER_1, "1000", "10.00"), (TIER_2, "1", "2.00")]),
        (
            "pages",
            [6_000],
            [
                (TIER_1, "1000", "10.00"),
                (TIER_2, "4000", "22.00"),
                ("Pages (tier 3: above 5000)", "1000", "1.00"),
            ],
        ),
        # More costs less beyond the cliff.
        ("scans", [1] * 100, [("Scans (tier 1: up to 100)", "100", "10.00")]),
        ("scans", [1] * 101, [("Scans (tier 2: above 100)", "101", "5.05")]),
        ("scans", [101], [("Scans (tier 2: above 100)", "101", "5.05")]),
        ("stamps", [1], [("Stamps (packages of 10)", "1", "2.00")]),
        ("stamps", [1] * 10, [("Stamps (packages of 10)", "10", "2.00")]),
        ("stamps", [1] * 11, [("Stamps (packages of 10)", "11", "4.00")]),
        ("stamps", [11, 9], [("Stamps (packages of 10)", "20", "4.00")]),
        # What was taken back was not used.
        ("stamps", [11, -1], [("Stamps (packages of 10)", "10", "2.00")]),
        ("stamps", [11, -12], []),
        ("letters", [1, 1], [("Letters", "2", "2.00")]),
    ],
)
def test_a_period_costs_what_its_price_says(
    meter: str, quantities: list[int], expected: list[tuple[str, str, str]]
) -> None:
    assert [line[1:] for line in lines(gathered(used(meter, quantities)))] == expected


def test_each_period_begins_its_own_tiers() -> None:
    """8 in each are a package in each, and not two of 16."""
    facts = [
        a_fact(1, "stamps", 8, JANUARY.end - US),
        a_fact(2, "stamps", 8, FEBRUARY.start),
    ]
    january = gathered(facts[:1])
    (line,) = lines(january)
    assert line[2:] == ("8", "2.00")
    (line,) = lines(gathered(facts[1:], before=january))
    assert (line[0], line[2:]) == ("usage", ("8", "2.00"))


@pytest.mark.parametrize(
    ("meter", "in_time", "late", "expected"),
    [
        # 1200 are 10 and 3, where 900 were 9.
        ("pages", 900, [300], [(TIER_1, "100", "1.00"), (TIER_2, "200", "3.00")]),
        # Whose fee was paid, it is not paid again.
        ("pages", 1_200, [100], [(TIER_2, "100", "0.50")]),
        # All 110 are 0.05 each now: the 6.00 is given back.
        (
            "scans",
            60,
            [50],
            [
                ("Scans (tier 1: up to 100)", "-60", "-6.00"),
                ("Scans (tier 2: above 100)", "110", "5.50"),
            ],
        ),
        # There is room in the package that was begun.
        ("stamps", 8, [1, 1], []),
        ("stamps", 8, [1, 1, 1], [("Stamps (packages of 10)", "3", "2.00")]),
        ("stamps", 11, [-1], [("Stamps (packages of 10)", "-1", "-2.00")]),
        ("stamps", 0, [3], [("Stamps (packages of 10)", "3", "2.00")]),
    ],
)
def test_what_is_late_is_the_difference_that_it_makes_to_its_period(
    meter: str, in_time: int, late: list[int], expected: list[tuple[str, str, str]]
) -> None:
    january = gathered(used(meter, [in_time] if in_time else []))
    february = gathered(used(meter, late), before=january)
    told = lines(february)
    assert [line[1:] for line in told] == expected
    assert {line[0] for line in told} <= {"adjustment"}


def test_what_is_later_still_goes_on_from_there() -> None:
    january = gathered(used("pages", [900]))
    february = gathered(used("pages", [300]), before=january)
    march = GatheredFacts(
        [JANUARY, FEBRUARY],
        BEGINNING,
        counted={JANUARY.start: february.counted_after(JANUARY)},
    )
    march.take(used("pages", [100]))
    assert lines(march) == [("adjustment", TIER_2, "100", "0.50")]


ALL_PAGES = ("pages", "*")


def test_what_a_plan_includes_comes_off_before_the_tiers_and_late_pages_change_it() -> None:
    """900 are to be paid: 9.00 = 14.50 - 5.50. Then 1000: 10.00."""
    january = gathered(used("pages", [1] * 1_500), included={ALL_PAGES: Fraction(600)})
    assert lines(january) == [
        ("usage", TIER_1, "1000", "10.00"),
        ("usage", TIER_2, "500", "4.50"),
        ("included", "Included: pages", "-600", "-5.50"),
    ]
    assert usage_usd(usage_charges(january), JANUARY) == 9
    assert january.free(JANUARY.start)[ALL_PAGES].left == 0
    february = gathered(used("pages", [100]), before=january)
    assert lines(february) == [
        ("adjustment", TIER_2, "100", "0.50"),
        ("adjustment", "Included: pages", "0", "0.50"),
    ]


def test_what_is_left_of_what_is_included_is_for_what_is_late() -> None:
    january = gathered(used("stamps", [4]), included={("stamps", "*"): Fraction(9)})
    assert [line[3] for line in lines(january)] == ["2.00", "-2.00"]
    left = january.free(JANUARY.start)["stamps", "*"].left
    late = used("stamps", [4])
    february = gathered(late, before=january, included={("stamps", "*"): left})
    assert lines(february) == []
    assert february.counted_after(JANUARY) == {
        group: Counted(8, Fraction(8)) for group in january.counted_after(JANUARY)
    }


def test_a_part_of_a_unit_may_be_included() -> None:
    """Half a month of a plan with 1001: 500.5 of them. 499.5 x 0.01 are left of 1000."""
    half = Fraction(1001, 2)
    january = gathered(used("pages", [1_000]), included={ALL_PAGES: half})
    assert usage_usd(usage_charges(january), JANUARY) == Fraction("4.995")


@pytest.mark.parametrize(
    ("currency", "rate", "amounts"),
    [
        # 10 and 4.5 USD.
        ("JPY", "150.5", ["1505", "677"]),
        ("KWD", "0.3075", ["3.075", "1.384"]),
        ("EUR", "0.333", ["3.33", "1.50"]),
    ],
)
def test_each_line_is_rounded_once_in_its_currency(
    currency: str, rate: str, amounts: list[str]
) -> None:
    found = gathered(used("pages", [1] * 1_500))
    told = lines(found, currency=currency, usd_rate=rate)
    assert [line[3] for line in told] == amounts


def test_thirds_are_exact_and_margins_are_on_tiers_and_fees() -> None:
    """(7/3 + 1) x 0.9 = 3."""
    tiers = [[None, USD, 3, USD]]
    prices = {"meter/*": {"drops": {"kind": "graduated", "tiers": tiers, "over": "period"}}}
    books = (a_version({}, margin="-0.1"), a_version(prices))
    facts = [a_fact(n, "drops", 1, JANUARY.start, *books) for n in range(1, 8)]
    (charge,) = usage_charges(gathered(facts))
    assert (charge.quantity, charge.amount_usd) == (7, 3)


def test_a_price_that_changes_has_tiers_of_its_own_for_its_part() -> None:
    """600 x 0.01 and 600 x 0.02; neither has come to its second tier."""
    tiers = [[1_000, 2 * CENT, 1], [None, CENT, 1]]
    dearer = {"meter/*": {"pages": {"kind": "graduated", "tiers": tiers, "over": "period"}}}
    facts = [
        a_fact(1, "pages", 600, JANUARY.start),
        a_fact(2, "pages", 600, JANUARY.start, a_version(dearer)),
    ]
    assert sorted(line[3] for line in lines(gathered(facts))) == ["12.00", "6.00"]


def test_a_version_that_changes_something_else_begins_no_tier_anew() -> None:
    other = {"meter/*": {**PRICES["meter/*"], "letters": PRICES["meter/*"]["stamps"]}}
    facts = [
        a_fact(1, "pages", 600, JANUARY.start),
        a_fact(2, "pages", 600, JANUARY.start, a_version(other)),
    ]
    assert [line[2:] for line in lines(gathered(facts))] == [("1000", "10.00"), ("200", "3.00")]


def test_each_model_has_tiers_of_its_own() -> None:
    price = {"kind": "package", "usd_pico": 2 * USD, "size": 10, "over": "period"}
    version = a_version({"openai/*": {"requests": price}})
    facts: list[Fact] = []
    for number, model in enumerate(("openai/a", "openai/b", "openai/a"), 1):
        rated = rate({"requests": 5}, model, [version])
        told: Any = rated.lines
        facts.append(
            Fact((1, number, 0), JANUARY.start, UUID(int=number), "", 1, model, "tenant/1", told)
        )
    assert [line[1:] for line in lines(gathered(facts))] == [
        ("openai/a, requests (packages of 10)", "10", "2.00"),
        ("openai/b, requests (packages of 10)", "5", "2.00"),
    ]


def test_of_more_than_fits_the_tiers_of_one_price_stay_together() -> None:
    """301 groups; the dearest has two lines, and the cheapest two are one."""
    facts = used("pages", [1_500])
    for number in range(2, LINES_MAX + 2):
        fact = a_fact(number, "letters", 1, JANUARY.start)
        facts.append(fact._replace(model=f"m/{number:03d}"))
    charges = usage_charges(gathered(facts))
    assert len(charges) == LINES_MAX + 1
    (other,) = [one for one in charges if one.key.endswith(f"/{OTHER}")]
    assert (other.quantity, other.amount_usd) == (2, 2)
    assert sum(one.amount_usd for one in charges) == Fraction("14.5") + LINES_MAX


METERS = st.sampled_from(["pages", "scans", "stamps", "letters"])
TOLD = st.lists(
    st.tuples(st.integers(0, 58), METERS, st.integers(-3, 1_200), st.booleans()), max_size=12
)
FREE = st.dictionaries(
    METERS.map(lambda meter: (meter, "*")), st.fractions(0, 1_500, max_denominator=7)
)


@settings(max_examples=100, deadline=None)
@given(told=TOLD, free=FREE)
def test_invoices_together_charge_what_the_periods_come_to_whatever_came_late(
    told: list[tuple[int, str, int, bool]], free: dict[Any, Fraction]
) -> None:
    """Conservation: facts are lines and adjustments; and what is to be paid is what the rest costs
    when what is included has come off.
    """
    facts = [
        a_fact(number, meter, quantity, JANUARY.start + timedelta(days=day))
        for number, (day, meter, quantity, _) in enumerate(told, 1)
    ]
    is_late = {fact.place: late for fact, (*_, late) in zip(facts, told, strict=True)}
    in_time = [one for one in facts if one.happened_at < JANUARY.end and not is_late[one.place]]
    january = gathered(in_time, included=free)
    left = {pool: one.left for pool, one in january.free(JANUARY.start).items()}
    rest = [one for one in facts if one not in in_time]
    february = gathered(rest, before=january, included=left)
    charges = [*usage_charges(january), *usage_charges(february)]

    sums: dict[tuple[datetime, PricedGroup], tuple[Any, int]] = {}
    plain = Fraction(0)
    for fact in facts:
        assert fact.lines is not None
        meter, quantity, cost, *price = fact.lines[0]
        start = JANUARY.start if fact.happened_at < JANUARY.end else FEBRUARY.start
        if not price:
            plain += cost or 0
            continue
        key = (start, PricedGroup("", meter, str(price[0]["id"])))
        sums[key] = (price[0], sums.get(key, (None, 0))[1] + quantity)
    whole = sum((period_total(*one) for one in sums.values()), plain)
    usage = [one for one in charges if "included/" not in one.key]
    assert sum((one.amount_usd for one in usage), Fraction(0)) * PICO_PER_USD == whole

    counted = february.counted_after(JANUARY)
    for (start, group), (price, quantity) in sums.items():
        is_now = counted[group] if start == JANUARY.start else Counted(quantity)
        assert is_now.quantity == quantity
        due = sum(
            (
                one.amount_usd
                for one in charges
                if f"/{group.meter}#{group.price_id}" in one.key and one.start == start
            ),
            Fraction(0),
        )
        paid_for = Fraction(quantity) - is_now.free
        assert due * PICO_PER_USD == period_total(price, paid_for)
