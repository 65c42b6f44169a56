"""Rating: what was measured, priced. Pure: the same measure under the same prices costs the same
for ever.

    the tenant's book ──► the platform's book ──► the list of the release

The first that has a price gives it; the books before it may add a margin. The cost of an attempt is
known as a whole or not at all: a sum that leaves something out looks like a small bill.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from domain.prices import FREE_PRICE, Price, cost
from domain.usage import CHARGED_AS, FREE_METERS, Measured, UsageLine

# Whatever has a price has one for one of these.
TELLING_METERS = ("input_tokens", "output_tokens", "embedding_tokens")


class PriceSource(Protocol):
    """name: of this very version, for ever."""

    @property
    def name(self) -> str: ...

    @property
    def margin(self) -> Fraction:
        """On the prices of the sources after it: 1/5 is a fifth more."""
        ...

    def price(self, model: str, meter: str) -> Price | None: ...


class Rated(NamedTuple):
    """prices: the names of the sources that had a part in it."""

    lines: tuple[UsageLine, ...]
    prices: str


def rate(measured: Measured, model: str, sources: Sequence[PriceSource]) -> Rated:
    """sources: the most special first."""
    used: dict[str, None] = {}
    lines = _lines(measured, model, sources, used) if measured.is_standard else None
    if lines is None:
        unpriced = (UsageLine(meter, count, None) for meter, count in measured.quantities.items())
        return Rated(tuple(unpriced), "")
    return Rated(tuple(lines), ",".join(used))


def _lines(
    measured: Measured, model: str, sources: Sequence[PriceSource], used: dict[str, None]
) -> list[UsageLine] | None:
    lines: list[UsageLine] = []
    tokens_in = measured.tokens_in
    for meter, quantity in measured.quantities.items():
        found = _priced(meter, model, sources, used)
        if found is None:
            return None
        price, factor = found
        exact = cost(price, quantity, tokens_in=tokens_in) * factor
        lines.append(UsageLine(meter, quantity, round(exact)))
    return lines


def _priced(
    meter: str, model: str, sources: Sequence[PriceSource], used: dict[str, None]
) -> tuple[Price, Fraction | int] | None:
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
