"""Which price counts, which margins are on it, and that nothing is silently free."""

from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.price_books import PriceVersion
from domain.prices import Package, Price, UnitPrice
from domain.rating import rate
from domain.usage import METERS

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_source(
    name: str, prices: dict[str, dict[str, Price]] | None = None, margin: str = "0"
) -> PriceVersion:
    return PriceVersion(name, NOON, Fraction(margin), prices or {})


LIST = a_source("list/1", {"m/a": {"input_tokens": UnitPrice(10), "output_tokens": UnitPrice(40)}})


def test_the_list_prices_what_no_book_names() -> None:
    rated = rate({"requests": 1, "input_tokens": 3, "output_tokens": 2}, "m/a", [LIST])
    assert rated.lines == [
        ["requests", 1, 0],
        ["input_tokens", 3, 30],
        ["output_tokens", 2, 80],
    ]
    assert rated.prices == "list/1"


def test_margins_of_the_books_before_it_are_on_a_price() -> None:
    tenant, platform = a_source("tenant/2", margin="-0.1"), a_source("platform/7", margin="0.2")
    rated = rate({"input_tokens": 100}, "m/a", [tenant, platform, LIST])
    assert rated.lines == [["input_tokens", 100, 1080]]  # 1000 x 0.9 x 1.2
    assert rated.prices == "tenant/2,platform/7,list/1"


def test_a_price_of_a_books_own_has_no_margin_of_that_book() -> None:
    own = a_source("platform/1", {"m/*": {"input_tokens": UnitPrice(1)}}, margin="5")
    rated = rate({"input_tokens": 7, "output_tokens": 1}, "m/a", [own, LIST])
    assert [line[2] for line in rated.lines] == [7, 240]


def test_the_most_special_name_of_a_model_counts() -> None:
    prices: dict[str, dict[str, Price]] = {
        "*": {"requests": UnitPrice(1)},
        "m/*": {"requests": UnitPrice(2)},
        "m/a": {"requests": UnitPrice(3)},
    }
    book = a_source("platform/1", prices)
    costs = [rate({"requests": 1}, model, [book]).lines[0][2] for model in ("m/a", "m/b", "x/a")]
    assert costs == [3, 2, 1]


def test_a_cost_is_known_as_a_whole_or_not_at_all() -> None:
    rated = rate({"input_tokens": 3, "input_audio_tokens": 2}, "m/a", [LIST])
    assert [line[2] for line in rated.lines] == [None, None]
    assert rated.prices == ""


def test_a_model_that_nobody_has_a_price_for_is_not_free_however_little_it_used() -> None:
    rated = rate({"requests": 1}, "m/unknown", [LIST])
    assert rated.lines == [["requests", 1, None]]


def test_explicit_zeros_of_a_known_model_cost_nothing() -> None:
    assert rate({"requests": 1}, "m/a", [LIST]).lines == [["requests", 1, 0]]


def test_reasoning_is_charged_as_output_by_whoever_prices_the_output() -> None:
    book = a_source("platform/1", {"m/a": {"output_tokens": UnitPrice(9)}})
    rated = rate({"reasoning_tokens": 2}, "m/a", [book, LIST])
    assert rated.lines == [["reasoning_tokens", 2, 18]]


def test_another_tier_of_service_is_not_charged_at_the_standard_rate() -> None:
    rated = rate({"input_tokens": 3}, "m/a", [LIST], is_standard=False)
    assert rated.lines == [["input_tokens", 3, None]]


def test_a_cost_is_rounded_once_half_to_even() -> None:
    half = a_source("platform/1", {"m/a": {"input_tokens": UnitPrice(1, per=2)}})
    costs = [rate({"input_tokens": count}, "m/a", [half]).lines[0][2] for count in (1, 3, 5)]
    assert costs == [0, 2, 2]


@given(
    st.dictionaries(st.sampled_from(sorted(METERS)), st.integers(1, 10**9), min_size=1),
    st.booleans(),
)
def test_what_was_measured_is_what_is_told(quantities: dict[str, int], is_standard: bool) -> None:
    rated = rate(quantities, "m/a", [LIST], is_standard=is_standard)
    assert {line[0]: line[1] for line in rated.lines} == quantities
    assert len({line[2] is None for line in rated.lines}) == 1


def test_a_package_is_paid_for_when_it_is_begun_and_a_margin_is_on_it() -> None:
    packages = a_source("list/1", {"m/a": {"requests": Package(1000, 10)}})
    book = a_source("tenant/1", margin="0.5")
    (line,) = rate({"requests": 11}, "m/a", [book, packages]).lines
    assert line[2] == 3000
