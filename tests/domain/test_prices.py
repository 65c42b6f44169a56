"""What quantities cost, exactly: worked by hand, and against the exact rational."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.price_documents import price_document, price_from
from domain.prices import (
    Graduated,
    OverPeriod,
    Package,
    Price,
    Tier,
    UnitPrice,
    Volume,
    are_tiers_complete,
    cost,
)

TIERS = (Tier(10, 5), Tier(20, 3), Tier(None, 1))


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        (UnitPrice(7), 3, 21),
        (UnitPrice(1, per=3), 2, Fraction(2, 3)),
        (Package(100, 10), 0, 0),
        (Package(100, 10), 1, 100),
        (Package(100, 10), 10, 100),
        (Package(100, 10), 11, 200),
        (Graduated(TIERS), 0, 0),
        (Graduated(TIERS), 10, 50),
        (Graduated(TIERS), 11, 53),
        (Graduated(TIERS), 25, 50 + 30 + 5),
        (Volume(TIERS), 10, 50),
        (Volume(TIERS), 11, 33),
        (Volume(TIERS), 25, 25),
    ],
)
def test_a_quantity_costs_what_its_price_says(
    price: Price, quantity: int, expected: Fraction | int
) -> None:
    assert cost(price, quantity) == expected


def test_the_length_of_the_prompt_may_choose_the_tier_of_everything() -> None:
    price = Volume(TIERS, is_by_prompt=True)
    assert cost(price, 2, tokens_in=10) == 10
    assert cost(price, 2, tokens_in=11) == 6


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_never_costs_less_where_each_part_has_its_own_price(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert cost(Graduated(TIERS), less) <= cost(Graduated(TIERS), more)
    assert cost(Package(100, 10), less) <= cost(Package(100, 10), more)


@given(st.integers(0, 10**15), st.integers(1, 10**9), st.integers(0, 10**18))
def test_a_million_small_costs_are_the_cost_of_all_of_them(
    quantity: int, per: int, usd_pico: int
) -> None:
    price = UnitPrice(usd_pico, per)
    assert cost(price, quantity) == Fraction(quantity) * usd_pico / per


@pytest.mark.parametrize(
    ("bounds", "is_complete"),
    [
        ([None], True),
        ([10, 20, None], True),
        ([10], False),
        ([], False),
        ([20, 10, None], False),
        ([10, 10, None], False),
        ([None, None], False),
    ],
)
def test_tiers_ascend_and_the_last_has_no_end(bounds: list[int | None], is_complete: bool) -> None:
    assert are_tiers_complete([Tier(bound, 1) for bound in bounds]) is is_complete


@pytest.mark.parametrize(
    "price",
    [
        UnitPrice(7, 3),
        Package(7, 10),
        Graduated(TIERS),
        Volume(TIERS),
        Volume(TIERS, is_by_prompt=True),
        OverPeriod(Package(7, 10)),
        OverPeriod(Graduated((*TIERS[:2], Tier(None, 1, 3, 50)))),
        OverPeriod(Volume(TIERS)),
    ],
    ids=[
        *("unit", "package", "graduated", "volume", "by prompt"),
        *("package of a period", "graduated with a fee", "volume of a period"),
    ],
)
def test_a_price_is_read_as_it_was_written(price: Price) -> None:
    assert price_from(price_document(price)) == price


def test_prices_of_calls_are_written_as_they_always_were() -> None:
    told = price_document(Graduated(TIERS))
    assert told == {"kind": "graduated", "tiers": [[10, 5, 1], [20, 3, 1], [None, 1, 1]]}
    assert price_from(told) == Graduated(TIERS)


def test_what_is_taken_back_of_a_call_costs_what_it_always_did() -> None:
    costs = [cost(price, -15) for price in (Package(100, 10), Volume(TIERS), Graduated(TIERS))]
    assert costs == [-100, -75, 0]
