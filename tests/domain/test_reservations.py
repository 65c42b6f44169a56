"""Reserving and settling: whatever order calls come and end in, no hard budget is overshot, nothing
is held for ever, and what is left is not refused for ever.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from domain.budget_rules import Counter
from domain.price_books import PriceVersion
from domain.prices import Graduated, Package, Price, Tier, UnitPrice, Volume, cost
from domain.rating import rate
from domain.reservations import (
    TOKENS_MIN,
    TOKENS_PATIENT,
    Admitted,
    Exhausted,
    Held,
    Standing,
    decide,
    reserve,
)
from domain.worst_cases import INPUTS, OUTPUTS, WorstCase, worst_case
from tests.effort import EFFORT

COUNTERS = [Counter(f"budget-{number}", None, None) for number in range(3)]
LIMITS = [1000, 5000, 20_000]


# Counters, amount, and a number that tells it from others.
Call: TypeAlias = tuple[frozenset[Counter], int, int]


class Spending(RuleBasedStateMachine):
    """Calls that count in some of three budgets, as what the database enforces."""

    calls: Bundle[Call] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.standings = {
            counter: Standing(limit, 0, 0) for counter, limit in zip(COUNTERS, LIMITS, strict=True)
        }
        self.open: list[Call] = []

    @rule(
        target=calls,
        counters=some.frozensets(some.sampled_from(COUNTERS), min_size=1),
        prompt=some.integers(0, 300),
        token=some.integers(0, 20),
        wanted=some.integers(1, 5000),
        number=some.integers(),
    )
    def call(
        self, counters: frozenset[Counter], prompt: int, token: int, wanted: int, number: int
    ) -> Call | MultipleResults[Call]:
        worst = WorstCase(prompt, Fraction(token))
        known = {counter: self.standings[counter] for counter in counters}
        decided = decide(worst, wanted, known)
        smallest = worst.at(min(wanted, TOKENS_MIN))
        match decided:
            case Admitted():
                assert 1 <= decided.tokens_max <= wanted
                assert decided.usd_pico == worst.at(decided.tokens_max)
                self.standings = reserve(self.standings, list(counters), decided.usd_pico)
                made = (counters, decided.usd_pico, number)
                self.open.append(made)
                return made
            case Held():
                # Others will give it back, and it fits then.
                assert known[decided.counter].reserved > 0
                assert all(one.limit - one.spent >= smallest for one in known.values())
            case Exhausted():
                assert decided.standing.limit - decided.standing.spent < smallest
        return multiple()

    @rule(call=consumes(calls), used=some.floats(0, 1))
    def settle(self, call: Call, used: float) -> None:
        counters, amount, _ = call
        self.open.remove(call)
        for counter in counters:
            before = self.standings[counter]
            after = (before.spent + int(amount * used), before.reserved - amount)
            self.standings[counter] = Standing(before.limit, *after)

    @invariant()
    def nothing_is_overshot(self) -> None:
        for standing in self.standings.values():
            assert standing.spent + standing.reserved <= standing.limit

    @invariant()
    def what_is_held_is_held_by_open_calls(self) -> None:
        for counter, standing in self.standings.items():
            held = sum(amount for counters, amount, _ in self.open if counter in counters)
            assert standing.reserved == held


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=15 * EFFORT, stateful_step_count=30)

PRICES = some.one_of(
    some.builds(UnitPrice, some.integers(0, 10**9), some.sampled_from([1, 3, 1000])),
    some.builds(Package, some.integers(0, 10**9), some.integers(1, 500)),
    some.builds(
        lambda first, second, up_to: Graduated((Tier(up_to, first, 7), Tier(None, second))),
        *(some.integers(0, 10**9), some.integers(0, 10**9), some.integers(1, 2000)),
    ),
    some.builds(
        lambda first, second, up_to, by_prompt: Volume(
            (Tier(up_to, first), Tier(None, second, 3)), is_by_prompt=by_prompt
        ),
        *(some.integers(0, 10**9), some.integers(0, 10**9), some.integers(1, 2000)),
        some.booleans(),
    ),
)


def a_source(prices: Mapping[str, Price], margin: Fraction = Fraction(0)) -> PriceVersion:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return PriceVersion(f"tenant/{id(prices)}", since, margin, {"m/a": dict(prices)})


@given(
    prices=some.fixed_dictionaries(
        {"input_tokens": PRICES, "output_tokens": PRICES},
        optional=dict.fromkeys((*INPUTS[1:], "reasoning_tokens", "requests"), PRICES),
    ),
    bound=some.integers(0, 3000),
    shares=some.lists(some.integers(0, 1000), min_size=len(INPUTS), max_size=len(INPUTS)),
    limit=some.integers(0, 3000),
    thought=some.integers(0, 3000),
)
def test_no_call_within_its_bounds_costs_more_than_its_worst_case(
    prices: dict[str, Price], bound: int, shares: list[int], limit: int, thought: int
) -> None:
    source = a_source(prices)
    worst = worst_case("m/a", [source], tokens_in=bound)
    assert worst is not None
    left, quantities = bound, {"requests": 1}
    for meter, share in zip(INPUTS, shares, strict=True):
        if meter in prices:
            quantities[meter] = min(share, left)
            left -= quantities[meter]
    thought = min(thought, limit)
    quantities |= dict(zip(OUTPUTS, (limit - thought, thought), strict=True))
    used = {meter: count for meter, count in quantities.items() if count}
    charged = sum(line[2] or 0 for line in rate(used, "m/a", [source]).lines)
    # Packages of two meters may both be begun.
    assert charged <= worst.at(limit)


def test_the_worst_case_of_whole_prices_is_exact() -> None:
    source = a_source({"input_tokens": UnitPrice(5), "output_tokens": UnitPrice(7)})
    worst = worst_case("m/a", [source], tokens_in=10)
    assert worst is not None
    assert worst.at(3) == cost(UnitPrice(5), 10) + cost(UnitPrice(7), 3)
    assert worst.tokens_for(71, at_most=100) == 3
    assert worst.tokens_for(49, at_most=100) == -1


def test_a_model_without_a_price_has_no_worst_case() -> None:
    assert worst_case("m/b", [a_source({"input_tokens": UnitPrice(5)})], tokens_in=1) is None


@pytest.mark.parametrize(
    ("standing", "decided"),
    [
        (Standing(1000, 0, 0), Admitted(1000, 1000)),
        # All that is left is taken, as long as nobody may give some back.
        (Standing(1000, 900, 0), Admitted(100, 100)),
        (Standing(1000, 900, 50), Held(COUNTERS[0])),
        # An answer of that length is worth being given.
        (Standing(1000, 0, 1000 - TOKENS_PATIENT), Admitted(TOKENS_PATIENT, TOKENS_PATIENT)),
        (Standing(1000, 1000 - TOKENS_MIN, 0), Admitted(TOKENS_MIN, TOKENS_MIN)),
        (
            Standing(1000, 1001 - TOKENS_MIN, 0),
            Exhausted(COUNTERS[0], Standing(1000, 1001 - TOKENS_MIN, 0)),
        ),
    ],
)
def test_a_call_gets_the_limit_that_is_left_waits_or_is_refused(
    standing: Standing, decided: object
) -> None:
    worst = WorstCase(0, Fraction(1))
    assert decide(worst, 1000, {COUNTERS[0]: standing}) == decided
