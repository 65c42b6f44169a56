"""Prices: what a quantity costs, exactly. Integers and rationals only; rounded once, half-even, to
whole pico-USD.

    unit        so much for every `per` units
    graduated   each part of the quantity at the price of its tier
    volume      all of it at the price of the tier that it (or the prompt) falls into
    package     so much for each package of `size` that is begun

Over a period they are of all that was used in it, which is known when it is billed. Until then
each unit counts as much as the dearest costs (`OverPeriod.dearest`).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias, assert_never

TIERS_MAX = 20


class Tier(NamedTuple):
    """usd_pico: for `per` units. up_to: inclusive; None is without end. fee_usd_pico: once, as soon
    as something is charged in it; only of prices over a period.
    """

    up_to: int | None
    usd_pico: int
    per: int = 1
    fee_usd_pico: int = 0


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


Tiered: TypeAlias = Graduated | Volume | Package


class OverPeriod(NamedTuple):
    """of: is asked for the sum of a billing period, and never for one call."""

    of: Tiered

    @property
    def dearest(self) -> UnitPrice:
        """No unit costs more, but for fees of tiers and for what is left of the last package: these
        are of the period, as what recurs is.
        """
        if isinstance(self.of, Package):
            return UnitPrice(self.of.usd_pico, self.of.size)
        tier = max(self.of.tiers, key=lambda one: Fraction(one.usd_pico, one.per))
        return UnitPrice(tier.usd_pico, tier.per)


Price: TypeAlias = UnitPrice | Tiered | OverPeriod
FREE_PRICE = UnitPrice(0)


class TierPart(NamedTuple):
    """What of a quantity is charged in a tier. tier: from 1. usd_pico: exact, with the fee."""

    tier: int
    quantity: Fraction
    usd_pico: Fraction


def cost(price: Price, quantity: int, *, tokens_in: int = 0) -> Fraction | int:
    """Of one call, in pico-USD, not rounded. tokens_in: of the whole call."""
    match price:
        case UnitPrice(per=1):
            return quantity * price.usd_pico
        case UnitPrice():
            return Fraction(quantity * price.usd_pico, price.per)
        case Graduated():
            return sum((part.usd_pico for part in parts(price, quantity)), Fraction(0))
        case Volume():
            chosen = tokens_in if price.is_by_prompt else quantity
            tier = price.tiers[_number_of(price.tiers, chosen)]
            return Fraction(quantity * tier.usd_pico, tier.per)
        case Package():
            return -(-quantity // price.size) * price.usd_pico
        case OverPeriod():
            return cost(price.dearest, quantity)
        case _:
            assert_never(price)


def parts(price: Tiered, quantity: Fraction | int) -> list[TierPart]:
    """By tier, those that nothing is charged in left out. Nothing for nothing, or less."""
    if quantity <= 0:
        return []
    match price:
        case Graduated():
            return _graduated(price.tiers, Fraction(quantity))
        case Volume():
            number = _number_of(price.tiers, quantity)
            return [_part(price.tiers, number, Fraction(quantity))]
        case Package():
            begun = -(-quantity // price.size)
            return [TierPart(1, Fraction(quantity), Fraction(begun * price.usd_pico))]
        case _:
            assert_never(price)


def are_tiers_complete(tiers: Sequence[Tier]) -> bool:
    """They ascend, and the last of them has no end."""
    bounds = [tier.up_to for tier in tiers]
    if not bounds or bounds[-1] is not None or None in bounds[:-1]:
        return False
    ends = [bound for bound in bounds if bound is not None]
    return ends == sorted(set(ends)) and all(end > 0 for end in ends)


def _graduated(tiers: Sequence[Tier], quantity: Fraction) -> list[TierPart]:
    found: list[TierPart] = []
    begun = Fraction(0)
    for number, tier in enumerate(tiers):
        end = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        if end > begun:
            found.append(_part(tiers, number, end - begun))
            begun = end
    return found


def _part(tiers: Sequence[Tier], number: int, quantity: Fraction) -> TierPart:
    tier = tiers[number]
    return TierPart(
        number + 1, quantity, quantity * Fraction(tier.usd_pico, tier.per) + tier.fee_usd_pico
    )


def _number_of(tiers: Sequence[Tier], quantity: Fraction | int) -> int:
    """From 0."""
    return next(
        number for number, tier in enumerate(tiers) if tier.up_to is None or quantity <= tier.up_to
    )
