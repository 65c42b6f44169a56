"""PriceBook: the prices of the platform, of one plan, or of one tenant. Every change is a new
version that holds from an instant on, never from one that is past: what was charged stays.

A version replaces the one before it as a whole. The newest whose time has come is the one that
holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import Refused
from domain.identifiers import JsonObject, StreamId
from domain.price_documents import price_from
from domain.prices import Price
from domain.rating import PriceSource

VERSIONS_MAX = 10_000
OF_TENANT = "tenant"
BOOK_IDS_KEPT_MAX = 4096


class PricesInThePast(Refused):
    """Prices hold from now on or later; what was used before has been charged."""

    code = "prices_in_the_past"


class TooManyPriceVersions(Refused):
    """This price book has as many versions as one may have."""


@lru_cache(maxsize=BOOK_IDS_KEPT_MAX)
def price_book_id(owner_id: UUID) -> StreamId:
    """Of the platform's book (its tenant is the nil one), a tenant's, or a plan's. Never changes:
    the stream is found by it.
    """
    return StreamId(uuid5(owner_id, "price-book"))


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """Implements domain.rating.PriceSource. prices: by model, then by meter; a model may be
    `provider/*` or `*`, and the most special that has the meter counts. told: what its tenant calls
    the model, which counts before its real name.
    """

    name: str
    effective_from: datetime = field(hash=False)
    margin: Fraction = field(hash=False)
    prices: Mapping[str, Mapping[str, Price]] = field(hash=False)
    told: str | None = None

    def price(self, model: str, meter: str) -> Price | None:
        names = (model,) if self.told is None else (self.told, model)
        patterns = [one for name in names for one in (name, f"{name.partition('/')[0]}/*")]
        for pattern in (*patterns, "*"):
            found = self.prices.get(pattern, {}).get(meter)
            if found is not None:
                return found
        return None


def sources_told(sources: Sequence[PriceSource], asked: str, told: str) -> Sequence[PriceSource]:
    """Of a model that its tenant calls otherwise, for it goes to a provider of its own: the
    tenant's own book may name it so. No other book: the tenant chooses that name.
    """
    if asked == told:
        return sources
    return [
        replace(one, told=told)
        if isinstance(one, PriceVersion) and one.name.startswith(f"{OF_TENANT}/")
        else one
        for one in sources
    ]


class PriceBook(Aggregate):
    TOPIC = "price_book"

    class Created(Aggregate.Created):
        """owner: `platform`, `plan/<id>` or `tenant`."""

        TOPIC = "price_book.created"
        owner: str

    class Published(Aggregate.Event):
        """effective_from: RFC 3339. margin: a decimal string, on all prices that are not of this
        version. prices: model -> meter -> price, as `price_document` writes it.
        """

        TOPIC = "price_book.published"
        book_version: int
        effective_from: str
        margin: str
        prices: JsonObject

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        owner: str,
    ) -> None:
        self.owner = owner
        self.versions: list[PriceVersion] = []

    def publish(
        self,
        prices: JsonObject,
        *,
        margin: str,
        effective_from: datetime,
        now: datetime,
    ) -> int:
        """The number of the new version. prices: model -> meter -> price, as `price_document`
        writes it. Raises PricesInThePast, TooManyPriceVersions.
        """
        if effective_from < now:
            raise PricesInThePast(effective_from=effective_from.isoformat())
        if len(self.versions) >= VERSIONS_MAX:
            raise TooManyPriceVersions(versions_max=VERSIONS_MAX)
        number = len(self.versions) + 1
        self._published(number, effective_from.isoformat(), margin, prices)
        return number

    def version_at(self, instant: datetime) -> PriceVersion | None:
        """None before the first of them holds."""
        for version in reversed(self.versions):
            if version.effective_from <= instant:
                return version
        return None

    @event(Published)
    def _published(
        self, book_version: int, effective_from: str, margin: str, prices: JsonObject
    ) -> None:
        parsed = {
            model: {meter: price_from(document) for meter, document in of_model.items()}
            for model, of_model in cast("dict[str, dict[str, Any]]", prices).items()
        }
        name = f"{self.owner}/{book_version}"
        since = datetime.fromisoformat(effective_from)
        self.versions.append(PriceVersion(name, since, Fraction(margin), parsed))
