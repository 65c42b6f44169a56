"""Rating: what was measured, priced. Pure: the same measure under the same prices costs the same
for ever.

    the tenant's book ──► its plan's ──► the platform's ──► the list of the release

The first that has a price gives it; the books before it may add a margin. The cost of an attempt is
known as a whole or not at all: a sum that leaves something out looks like a small bill.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Protocol, TypeAlias

from domain.identifiers import JsonObject
from domain.period_prices import told_price
from domain.prices import FREE_PRICE, Price, UnitPrice, cost
from domain.records import record
from domain.usage import CHARGED_AS, FREE_METERS, UsageLine, tokens_in_of

# The model under which books find meters that are of no model: tenants' own, and run_seconds.
OWN_METERS = "meter/own"
# Whatever has a price has one for one of these.
TELLING_METERS = ("input_tokens", "output_tokens", "embedding_tokens")
RATES_KEPT_MAX = 4096


class PriceSource(Protocol):
    """name: of this very version, for ever. Hashable."""

    @property
    def name(self) -> str: ...

    @property
    def margin(self) -> Fraction:
        """On the prices of the sources after it: 1/5 is a fifth more."""
        ...

    def price(self, model: str, meter: str) -> Price | None: ...


# A price, and the factor of the margins on it.
Rate: TypeAlias = tuple[Price, Fraction | int]


@record
class _Rates:
    """of_meters: the price of each, and the factor of the margins on it. prices: as Rated. told:
    what stands behind the cost in a UsageLine. units: by meter, where one of each costs a whole
    number of pico-USD, that; most do.
    """

    of_meters: tuple[Rate, ...]
    prices: str
    told: tuple[tuple[JsonObject, ...], ...]
    units: Mapping[str, int] | None


@record
class Rated:
    """prices: the names of the sources that had a part in it. cost_usd_pico: of all lines; None
    when no price is known.
    """

    lines: list[UsageLine]
    prices: str
    cost_usd_pico: int | None


def rate(
    quantities: Mapping[str, int],
    model: str,
    sources: Sequence[PriceSource],
    *,
    is_standard: bool = True,
) -> Rated:
    """quantities, is_standard: as Measured. sources: the most special first."""
    rates = _rates(tuple(quantities), model, tuple(sources)) if is_standard else None
    if rates is None:
        return Rated([[meter, count, None] for meter, count in quantities.items()], "", None)
    lines: list[UsageLine] = []
    total = 0
    units = rates.units
    if units is not None:
        for meter, count in quantities.items():
            amount = count * units[meter]
            total += amount
            lines.append([meter, count, amount])
        return Rated(lines, rates.prices, total)
    tokens_in = tokens_in_of(quantities)
    for (meter, count), (price, factor), told in zip(
        quantities.items(), rates.of_meters, rates.told, strict=True
    ):
        amount = round(cost(price, count, tokens_in=tokens_in) * factor)
        total += amount
        lines.append([meter, count, amount, *told])
    return Rated(lines, rates.prices, total)


def rates_of(
    meters: tuple[str, ...], model: str, sources: Sequence[PriceSource]
) -> tuple[Rate, ...] | None:
    """The price of each meter, and the factor of the margins on it; None when one has none."""
    rates = _rates(meters, model, tuple(sources))
    return None if rates is None else rates.of_meters


@lru_cache(maxsize=RATES_KEPT_MAX)
def _rates(meters: tuple[str, ...], model: str, sources: tuple[PriceSource, ...]) -> _Rates | None:
    """Found once: a version of a price book says the same for ever."""
    used: dict[str, None] = {}
    found = [_priced(meter, model, sources, used) for meter in meters]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    told = (_told(price, factor) for price, factor in known)
    units = {
        meter: price.usd_pico
        for meter, (price, factor) in zip(meters, known, strict=True)
        if isinstance(price, UnitPrice) and price.per == 1 and factor == 1
    }
    whole = units if len(units) == len(known) else None
    return _Rates(tuple(known), ",".join(used), tuple(told), whole)


def _told(price: Price, factor: Fraction | int) -> tuple[JsonObject, ...]:
    told = told_price(price, factor)
    return () if told is None else (told,)


def _priced(
    meter: str, model: str, sources: Sequence[PriceSource], used: dict[str, None]
) -> Rate | None:
    factor: Fraction | int = 1
    passed: list[str] = []
    for source in sources:
        price = source.price(model, meter)
        if price is None and meter in CHARGED_AS:
            price = source.price(model, CHARGED_AS[meter])
        if price is not None:
            used.update(dict.fromkeys((*passed, source.name)))
            return price, factor
        if source.margin:
            factor *= 1 + source.margin
            passed.append(source.name)
    is_free = meter in FREE_METERS and _is_known(model, sources)
    return (FREE_PRICE, 1) if is_free else None


def _is_known(model: str, sources: Sequence[PriceSource]) -> bool:
    return any(
        source.price(model, meter) is not None for source in sources for meter in TELLING_METERS
    )
