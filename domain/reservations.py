"""Reserving what a call may cost: whether it is made, with how long an answer, or not. Pure.

enough is left           ──► it is made
something is left        ──► it is made, and told to answer so shortly that it fits
others hold what is left ──► it waits for them, for some time
too little is left       ──► it is refused
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.budget_rules import Counter
from domain.identifiers import Json, JsonObject
from domain.worst_cases import WorstCase

# An answer without a limit gets this one, or what its model can say where that is less.
TOKENS_DEFAULT = 4096
# Shorter answers are of no use, and some providers refuse to give them.
TOKENS_MIN = 16
# As long as others may give some of it back, nobody takes the last for an answer shorter than this.
TOKENS_PATIENT = 256


class Standing(NamedTuple):
    """How a counter of a hard budget stands, in pico-USD."""

    limit: int
    spent: int
    reserved: int


class Admitted(NamedTuple):
    usd_pico: int
    tokens_max: int


class Held(NamedTuple):
    """Others hold what would pay for it. counter: the one that has too little left."""

    counter: Counter


class Exhausted(NamedTuple):
    """counter: of the budget that does not pay for it."""

    counter: Counter
    standing: Standing


def decide(
    worst: WorstCase, tokens_wanted: int, standings: Mapping[Counter, Standing]
) -> Admitted | Held | Exhausted:
    """standings: of the counters that a call counts in, as far as they are known; what is not known
    is asked for, and found out by asking.
    """
    shortest = min(tokens_wanted, TOKENS_MIN)
    tokens, tightest = tokens_wanted, None
    for counter, standing in standings.items():
        if worst.tokens_for(standing.limit - standing.spent, tokens_wanted) < shortest:
            return Exhausted(counter, standing)
        left = standing.limit - standing.spent - standing.reserved
        afforded = worst.tokens_for(left, tokens_wanted)
        if afforded < tokens:
            tokens, tightest = afforded, counter
    if tightest is None:
        return Admitted(worst.at(tokens), tokens)
    is_held = standings[tightest].reserved > 0
    enough = min(tokens_wanted, TOKENS_PATIENT) if is_held else shortest
    return Admitted(worst.at(tokens), tokens) if tokens >= enough else Held(tightest)


def reserve(
    standings: Mapping[Counter, Standing], counters: Sequence[Counter], usd_pico: int
) -> dict[Counter, Standing]:
    """As they stand when so much more is held."""
    return {
        counter: standing._replace(reserved=standing.reserved + usd_pico)
        if counter in counters
        else standing
        for counter, standing in standings.items()
    }


def reservation(admitted: Admitted, counters: list[Json]) -> JsonObject:
    """As the event of the intent has it. counters: as they are told."""
    return {
        "usd_pico": admitted.usd_pico,
        "tokens_max": admitted.tokens_max,
        "counters": counters,
    }
