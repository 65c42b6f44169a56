"""What a call may cost at most, and how many tokens of an answer what is left can pay for. Pure.

Every meter that may be counted is taken at its dearest rate: a prompt may be charged as read, as
cached or as written to a cache, an answer as said or as thought.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple, assert_never

from domain.prices import Graduated, OverPeriod, Package, Price, UnitPrice, Volume
from domain.rating import RATES_KEPT_MAX, PriceSource, rates_of

INPUTS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens")
# Only where a message has parts that are no text.
INPUTS_OF_PARTS = ("input_image_tokens", "input_audio_tokens")
OUTPUTS = ("output_tokens", "reasoning_tokens")
# Where tools are offered; more calls in one answer are paid for, and show as an overshoot.
TOOL_CALLS_RESERVED = 128


class _Rate(NamedTuple):
    """At most so much for a unit, and so much once, in pico-USD."""

    of_unit: Fraction | int
    once: Fraction | int = 0


class _Rates(NamedTuple):
    """of_token, once: of the answer. calls: of the call itself and the tools it asks for."""

    prompt: _Rate
    of_token: Fraction | int
    once: int
    calls: Fraction | int
    slack: int


class WorstCase(NamedTuple):
    """of_prompt_pico: what the call costs whatever is answered. of_token_pico: of each token of
    the answer. once_pico: of any answer.
    """

    of_prompt_pico: int
    of_token_pico: Fraction | int
    once_pico: int = 0

    def at(self, tokens_out: int) -> int:
        """In pico-USD."""
        return self.of_prompt_pico + self.once_pico + ceil(self.of_token_pico * tokens_out)

    def tokens_for(self, usd_pico: int, at_most: int) -> int:
        """How many tokens of an answer so much pays for; -1 when it does not pay for the prompt."""
        left = usd_pico - self.of_prompt_pico - self.once_pico
        if left < 0:
            return -1
        if not self.of_token_pico:
            return at_most
        return min(at_most, int(left // self.of_token_pico))


def worst_case(
    model: str,
    sources: Sequence[PriceSource],
    *,
    tokens_in: int,
    has_parts: bool = False,
    has_tools: bool = False,
) -> WorstCase | None:
    """tokens_in: no prompt of this call has more. None: no price is known."""
    of_all = tuple(sources)
    rates = _rates_of(model, of_all, has_parts, has_tools, None)
    if rates is None:
        rates = _rates_of(model, of_all, has_parts, has_tools, tokens_in)
    if rates is None:
        return None
    prompt, of_token, once, calls, slack = rates
    of_prompt = prompt.of_unit * tokens_in + (prompt.once if tokens_in else 0) + calls
    return WorstCase(ceil(of_prompt) + slack, of_token, once)


def worst_embedding(
    model: str, sources: Sequence[PriceSource], *, tokens_in: int
) -> WorstCase | None:
    """tokens_in: the text has no more; no answer is paid for. None: no price is known."""
    counts = {"requests": 1, "embedding_tokens": tokens_in}
    if rates_of(tuple(counts), model, sources) is None:
        return None
    most = 0
    for meter, count in counts.items():
        rate = _dearest((meter,), model, sources, tokens_in)
        most += ceil(rate.of_unit * count + rate.once)
    return WorstCase(most, 0)


@lru_cache(maxsize=RATES_KEPT_MAX)
def _rates_of(
    model: str,
    sources: tuple[PriceSource, ...],
    has_parts: bool,  # noqa: FBT001 # a key
    has_tools: bool,  # noqa: FBT001 # a key
    tokens_in: int | None,
) -> _Rates | None:
    """tokens_in: None for whatever prompt, and there are none where rates change with its length.
    Found once: a version of a price book says the same for ever.
    """
    if rates_of(("requests", "input_tokens", "output_tokens"), model, sources) is None:
        return None
    inputs = (*INPUTS, *(INPUTS_OF_PARTS if has_parts else ()))
    calls = [("requests", 1), *([("tool_calls", TOOL_CALLS_RESERVED)] if has_tools else ())]
    if tokens_in is None:
        for meter in (*inputs, *OUTPUTS, *(name for name, _ in calls)):
            rates = rates_of((meter,), model, sources)
            if rates is not None and isinstance(rates[0][0], Volume) and rates[0][0].is_by_prompt:
                return None
    prompt = _dearest(inputs, model, sources, tokens_in or 0)
    answer = _dearest(OUTPUTS, model, sources, tokens_in or 0)
    of_calls: Fraction | int = 0
    for meter, count in calls:
        rate = _dearest((meter,), model, sources, tokens_in or 0)
        of_calls += rate.of_unit * count + rate.once
    # Each line is rounded by itself: half a pico-USD more at most.
    parts = (*prompt, *answer, of_calls)
    is_whole = all(Fraction(one).denominator == 1 for one in parts)
    slack = 0 if is_whole else len(inputs) + len(OUTPUTS)
    plain = _Rate(_whole(prompt.of_unit), _whole(prompt.once))
    return _Rates(plain, _whole(answer.of_unit), ceil(answer.once), _whole(of_calls), slack)


def _whole(value: Fraction | int) -> Fraction | int:
    """Rationals take ten times as long as integers."""
    return int(value) if Fraction(value).denominator == 1 else value


def _dearest(
    meters: Sequence[str], model: str, sources: Sequence[PriceSource], tokens_in: int
) -> _Rate:
    of_unit: Fraction | int = 0
    once: Fraction | int = 0
    for meter in meters:
        rates = rates_of((meter,), model, sources)
        if rates is not None:
            price, factor = rates[0]
            rate = _rate(price, tokens_in)
            of_unit = max(of_unit, rate.of_unit * factor)
            once += rate.once * factor
    return _Rate(of_unit, once)


def _rate(price: Price, tokens_in: int) -> _Rate:
    match price:
        case UnitPrice():
            return _Rate(Fraction(price.usd_pico, price.per))
        case Graduated():
            return _Rate(max(Fraction(tier.usd_pico, tier.per) for tier in price.tiers))
        case Volume():
            reached = [
                tier
                for tier, before in zip(price.tiers, (None, *price.tiers), strict=False)
                if not price.is_by_prompt
                or before is None
                or (before.up_to is not None and before.up_to < tokens_in)
            ]
            return _Rate(max(Fraction(tier.usd_pico, tier.per) for tier in reached))
        case Package():
            # The last package is begun and paid for as a whole.
            return _Rate(Fraction(price.usd_pico, price.size), Fraction(price.usd_pico))
        case OverPeriod():
            return _rate(price.dearest, tokens_in)
        case _:
            assert_never(price)
