"""What a call may cost at most, and how many tokens of an answer what is left can pay for. Pure.

Every meter that may be counted is taken at its dearest rate: a prompt may be charged as read, as
cached or as written to a cache, an answer as said or as thought.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple, assert_never

from domain.prices import Graduated, Package, Price, UnitPrice, Volume
from domain.rating import PriceSource, rates_of

INPUTS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens")
# Only where a message has parts that are no text.
INPUTS_OF_PARTS = ("input_image_tokens", "input_audio_tokens")
OUTPUTS = ("output_tokens", "reasoning_tokens")
# Where tools are offered; more calls in one answer are paid for, and show as an overshoot.
TOOL_CALLS_RESERVED = 128


class _Rate(NamedTuple):
    """At most so much for a unit, and so much once, in pico-USD."""

    of_unit: Fraction
    once: Fraction = Fraction(0)


class WorstCase(NamedTuple):
    """of_prompt_pico: what the call costs whatever is answered. of_token_pico: of each token of
    the answer. once_pico: of any answer.
    """

    of_prompt_pico: int
    of_token_pico: Fraction
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
        return min(at_most, int(left / self.of_token_pico))


def worst_case(
    model: str,
    sources: Sequence[PriceSource],
    *,
    tokens_in: int,
    has_parts: bool = False,
    has_tools: bool = False,
) -> WorstCase | None:
    """tokens_in: no prompt of this call has more. None: no price is known."""
    if rates_of(("requests", "input_tokens", "output_tokens"), model, sources) is None:
        return None
    inputs = (*INPUTS, *(INPUTS_OF_PARTS if has_parts else ()))
    prompt = _dearest(inputs, model, sources, tokens_in)
    answer = _dearest(OUTPUTS, model, sources, tokens_in)
    calls = Fraction(0)
    for meter, count in (("requests", 1), ("tool_calls", TOOL_CALLS_RESERVED if has_tools else 0)):
        rate = _dearest((meter,), model, sources, tokens_in)
        calls += rate.of_unit * count + (rate.once if count else 0)
    of_prompt = prompt.of_unit * tokens_in + (prompt.once if tokens_in else 0) + calls
    # Each line is rounded by itself: half a pico-USD more at most.
    is_whole = all(one.denominator == 1 for one in (of_prompt, answer.of_unit))
    slack = 0 if is_whole else len(inputs) + len(OUTPUTS)
    return WorstCase(ceil(of_prompt) + slack, answer.of_unit, ceil(answer.once))


def _dearest(
    meters: Sequence[str], model: str, sources: Sequence[PriceSource], tokens_in: int
) -> _Rate:
    of_unit = once = Fraction(0)
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
        case _:
            assert_never(price)
