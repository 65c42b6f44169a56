"""Prices over a period: what all of a meter that was used in it costs, tier by tier.

The price stands in each fact, so an invoice is made of facts alone. Facts with the same price, in
whatever version of whatever book it stood, are of one sum: a version that changes something else
begins no tier anew, and one that changes this price has tiers of its own for its part. Tiers are
never cut to the length of a part or of a period.
"""

from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from domain.identifiers import JsonObject
from domain.price_documents import price_document, price_from
from domain.prices import OverPeriod, Package, Price, Tiered, TierPart, parts

ID_LENGTH = 16
NOTHING = Fraction(0)


class Counted(NamedTuple):
    """Of one sum. free: how much of the quantity a plan includes."""

    quantity: int = 0
    free: Fraction = NOTHING


def told_price(price: Price, factor: Fraction | int) -> JsonObject | None:
    """As the line of a fact has it: {id, kind, over, ..., times?}. id: the same for the same price,
    and for no other. times: the margins on it. None: it is no price over a period.
    """
    if not isinstance(price, OverPeriod):
        return None
    told = price_document(price)
    if factor != 1:
        told["times"] = str(factor)
    whole = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return {"id": sha256(whole).hexdigest()[:ID_LENGTH], **told}


def differences(told: Any, before: Counted, after: Counted) -> list[TierPart]:
    """What is owed more, by tier, once so much was used instead of so much. A volume price moves
    all of it to another tier: it is given back in the one and charged in the other. Whole periods
    are a difference too: from nothing.
    """
    price, times = _read(told)
    sums: dict[int, TierPart] = {}
    for counted, sign in ((after, 1), (before, -1)):
        for tier, quantity, usd_pico in parts(price, counted.quantity):
            known = sums.get(tier, TierPart(tier, NOTHING, NOTHING))
            sums[tier] = TierPart(
                tier, known.quantity + sign * quantity, known.usd_pico + sign * usd_pico * times
            )
    return [sums[tier] for tier in sorted(sums) if any(sums[tier][1:])]


def given_back(told: Any, counted: Counted) -> Fraction:
    """What is included comes off the quantity before its tier is looked for, in pico-USD."""
    rest = counted.quantity - counted.free
    return period_total(told, counted.quantity) - period_total(told, rest)


def period_total(told: Any, quantity: Fraction | int) -> Fraction:
    """In pico-USD."""
    price, times = _read(told)
    return sum((part.usd_pico for part in parts(price, quantity)), NOTHING) * times


def tier_words(told: Any, number: int) -> str:
    """Of which units a tier is, as people read it."""
    price, _ = _read(told)
    if isinstance(price, Package):
        return f"packages of {price.size}"
    bounds: Sequence[int | None] = [0, *(tier.up_to for tier in price.tiers)]
    before, up_to = bounds[number - 1], bounds[number]
    if before == 0:
        return f"tier {number}" if up_to is None else f"tier {number}: up to {up_to}"
    if up_to is None:
        return f"tier {number}: above {before}"
    return f"tier {number}: above {before}, up to {up_to}"


def _read(told: Any) -> tuple[Tiered, Fraction]:
    price = price_from(told)
    assert isinstance(price, OverPeriod)
    return price.of, Fraction(told.get("times", 1))
