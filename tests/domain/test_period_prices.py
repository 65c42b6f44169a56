"""What a fact says of a price over a period, and what it counts as until the period is billed."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import PICO_PER_USD
from domain.period_prices import period_total, tier_words, told_price
from domain.prices import Graduated, OverPeriod, Package, Price, Tier, UnitPrice, Volume, cost
from domain.rating import rate
from domain.usage import Metered
from domain.worst_cases import worst_case
from tests.domain.test_rating import a_source

USD = PICO_PER_USD
TIERS = (Tier(10, 5), Tier(20, 9), Tier(None, 4, 3))
PRICES = [
    OverPeriod(Graduated(TIERS)),
    OverPeriod(Volume(TIERS)),
    OverPeriod(Package(100, 7)),
    OverPeriod(Graduated((Tier(10, 5), Tier(None, 1, 1, 1_000)))),
]
NAMES = ["graduated", "volume", "package", "with a fee"]


def once(price: OverPeriod) -> int:
    """What of it is of the period, and not of a unit: fees, and the last package."""
    if isinstance(price.of, Package):
        return price.of.usd_pico
    return sum(tier.fee_usd_pico for tier in price.of.tiers)


@pytest.mark.parametrize("price", PRICES, ids=NAMES)
@settings(max_examples=30)
@given(quantities=st.lists(st.integers(1, 30), max_size=20))
def test_until_it_is_billed_each_unit_counts_as_much_as_the_dearest(
    price: OverPeriod, quantities: list[int]
) -> None:
    """So no budget lets through more than it holds, but for what is of the period."""
    provisional = sum((Fraction(cost(price, one)) for one in quantities), Fraction(0))
    total = period_total(told_price(price, 1), sum(quantities))
    assert total <= provisional + once(price)


def test_the_dearest_tier_is_that_of_the_unit_that_costs_most() -> None:
    assert [price.dearest for price in PRICES] == [
        UnitPrice(9),
        UnitPrice(9),
        UnitPrice(100, 7),
        UnitPrice(5),
    ]


@pytest.mark.parametrize("price", PRICES, ids=NAMES)
def test_a_call_is_reserved_at_the_rate_that_it_counts_at(price: Price) -> None:
    book = a_source("platform/1", {"m/a": {"input_tokens": price, "output_tokens": price}})
    worst = worst_case("m/a", [book], tokens_in=1_000)
    assert worst is not None
    quantities = {"requests": 1, "input_tokens": 1_000, "output_tokens": 500}
    counted = sum(line[2] or 0 for line in rate(quantities, "m/a", [book]).lines)
    assert counted <= worst.at(500) <= counted + 10


def test_a_fact_says_which_price_it_has_and_what_was_on_it() -> None:
    package = OverPeriod(Package(3 * USD, 10))
    book = a_source("platform/1", {"m/a": {"tool_calls": package, "requests": UnitPrice(7)}})
    margin = a_source("tenant/1", margin="0.2")
    rated = rate({"requests": 1, "tool_calls": 4}, "m/a", [margin, book])
    told = told_price(package, Fraction(6, 5))
    assert rated.lines == [
        ["requests", 1, 8],
        ["tool_calls", 4, 1_440_000_000_000, told],  # 4 x 0.3 x 1.2
    ]
    assert told is not None
    assert {name: value for name, value in told.items() if name != "id"} == {
        "kind": "package",
        "usd_pico": 3 * USD,
        "size": 10,
        "over": "period",
        "times": "6/5",
    }
    fact = Metered("m/a", "m", None, "provider", rated.prices, rated.lines).fact(
        workflow_id=None, created_by="x"
    )
    assert fact["lines"] == [["requests", 1, 8], ["tool_calls", 4, 1_440_000_000_000, told]]


def test_the_same_price_is_known_by_its_id_and_no_other_is() -> None:
    told: list[Any] = [told_price(price, 1) for price in PRICES]
    told += [told_price(PRICES[0], Fraction(1)), told_price(PRICES[0], Fraction(6, 5))]
    ids = [one["id"] for one in told]
    assert ids[4] == ids[0]
    assert len(set(ids)) == 5
    # Sums that were billed are found by it: it never changes.
    assert ids[2] == "d0042aff78b593e2"


def test_a_price_of_a_call_is_not_told() -> None:
    assert told_price(Package(100, 7), 1) is None
    assert told_price(UnitPrice(3), Fraction(6, 5)) is None


@pytest.mark.parametrize(
    ("price", "number", "words"),
    [
        (PRICES[0], 1, "tier 1: up to 10"),
        (PRICES[0], 2, "tier 2: above 10, up to 20"),
        (PRICES[1], 3, "tier 3: above 20"),
        (PRICES[2], 1, "packages of 7"),
        (OverPeriod(Volume((Tier(None, 1),))), 1, "tier 1"),
    ],
)
def test_a_tier_is_told_by_its_units(price: OverPeriod, number: int, words: str) -> None:
    assert tier_words(told_price(price, 1), number) == words
