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


class Rate(NamedTuple):
    """factor: the margins on the price. names: of the sources that had a part in it."""

    price: Price
    factor: Fraction | int
    names: tuple[str, ...]


class RateCard:
    """What one model costs under some sources; what was found once is remembered.

    sources: the most special first.
    """

    __slots__ = ("_found", "model", "sources")

    def __init__(self, model: str, sources: Sequence[PriceSource]) -> None:
        self.model = model
        self.sources = sources
        self._found: dict[str, Rate | None] = {}

    def rate(self, meter: str) -> Rate | None:
        if meter not in self._found:
            self._found[meter] = self._look_up(meter)
        return self._found[meter]

    def _look_up(self, meter: str) -> Rate | None:
        factor: Fraction | int = 1
        passed: list[str] = []
        for source in self.sources:
            price = source.price(self.model, meter)
            if price is None and meter in CHARGED_AS:
                price = source.price(self.model, CHARGED_AS[meter])
            if price is not None:
                return Rate(price, factor, (*passed, source.name))
            if source.margin:
                factor *= 1 + source.margin
                passed.append(source.name)
        return Rate(FREE_PRICE, 1, ()) if meter in FREE_METERS and self._is_known() else None

    def _is_known(self) -> bool:
        return any(
            source.price(self.model, meter) is not None
            for source in self.sources
            for meter in TELLING_METERS
        )


class Rated(NamedTuple):
    """prices: the names of the sources that had a part in it."""

    lines: tuple[UsageLine, ...]
    prices: str


def rate(measured: Measured, card: RateCard) -> Rated:
    lines: list[UsageLine] = []
    names: dict[str, None] = {}
    tokens_in = measured.tokens_in
    for meter, quantity in measured.quantities.items():
        found = card.rate(meter) if measured.is_standard else None
        if found is None:
            unpriced = [UsageLine(one, count, None) for one, count in measured.quantities.items()]
            return Rated(tuple(unpriced), "")
        exact = cost(found.price, quantity, tokens_in=tokens_in) * found.factor
        lines.append(UsageLine(meter, quantity, round(exact)))
        for name in found.names:
            names[name] = None
    return Rated(tuple(lines), ",".join(names))
