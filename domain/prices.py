"""Prices: what a quantity costs, exactly. Integers and rationals only; rounded once, half-even, to
whole pico-USD.

    unit        so much for every `per` units
    graduated   each part of the quantity at the price of its tier
    volume      all of it at the price of the tier that it (or the prompt) falls into
    package     so much for each package of `size` that is begun
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias, assert_never

TIERS_MAX = 20


class Tier(NamedTuple):
    """usd_pico: for `per` units. up_to: inclusive; None is without end."""

    up_to: int | None
    usd_pico: int
    per: int = 1


class UnitPrice(NamedTuple):
    usd_pico: int
    per: int = 1


class Graduated(NamedTuple):
    tiers: tuple[Tier, ...]


class Volume(NamedTuple):
    """is_by_prompt: the tier is that of all input tokens of the call, not of the quantity."""

    tiers: tuple[Tier, ...]
    is_by_prompt: bool = False


class Package(NamedTuple):
    usd_pico: int
    size: int


Price: TypeAlias = UnitPrice | Graduated | Volume | Package
FREE_PRICE = UnitPrice(0)


def cost(price: Price, quantity: int, *, tokens_in: int = 0) -> Fraction | int:
    """In pico-USD, not rounded. tokens_in: of the whole call."""
    match price:
        case UnitPrice(per=1):
            return quantity * price.usd_pico
        case UnitPrice():
            return Fraction(quantity * price.usd_pico, price.per)
        case Graduated():
            return _graduated(price.tiers, quantity)
        case Volume():
            tier = _tier_of(price.tiers, tokens_in if price.is_by_prompt else quantity)
            return Fraction(quantity * tier.usd_pico, tier.per)
        case Package():
            return -(-quantity // price.size) * price.usd_pico
        case _:
            assert_never(price)


def are_tiers_complete(tiers: Sequence[Tier]) -> bool:
    """They ascend, and the last of them has no end."""
    bounds = [tier.up_to for tier in tiers]
    if not bounds or bounds[-1] is not None or None in bounds[:-1]:
        return False
    ends = [bound for bound in bounds if bound is not None]
    return ends == sorted(set(ends)) and all(end > 0 for end in ends)


def _graduated(tiers: Sequence[Tier], quantity: int) -> Fraction:
    total, begun = Fraction(0), 0
    for tier in tiers:
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        if end > begun:
            total += Fraction((end - begun) * tier.usd_pico, tier.per)
            begun = end
    return total


def _tier_of(tiers: Sequence[Tier], quantity: int) -> Tier:
    return next(tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to)
