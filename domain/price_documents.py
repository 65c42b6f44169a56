"""Prices as events have them: of price books, and of facts whose price is over a period."""

from typing import Any

from domain.identifiers import Json, JsonObject
from domain.prices import Graduated, OverPeriod, Package, Price, Tier, UnitPrice, Volume

PERIOD = "period"


def price_document(price: Price) -> JsonObject:
    match price:
        case UnitPrice():
            return {"kind": "unit", "usd_pico": price.usd_pico, "per": price.per}
        case Package():
            return {"kind": "package", "usd_pico": price.usd_pico, "size": price.size}
        case Graduated():
            return {"kind": "graduated", "tiers": _told(price.tiers)}
        case Volume():
            kind = "volume_by_prompt" if price.is_by_prompt else "volume"
            return {"kind": kind, "tiers": _told(price.tiers)}
        case OverPeriod():
            return {**price_document(price.of), "over": PERIOD}


def price_from(document: Any) -> Price:
    """Without `over` a price is of one call, or of one event that a tenant sent."""
    price = _of_quantity(document)
    if document.get("over") != PERIOD:
        return price
    assert not isinstance(price, UnitPrice | OverPeriod)
    return OverPeriod(price)


def _of_quantity(document: Any) -> UnitPrice | Graduated | Volume | Package:
    match document["kind"]:
        case "unit":
            return UnitPrice(document["usd_pico"], document["per"])
        case "package":
            return Package(document["usd_pico"], document["size"])
        case "graduated":
            return Graduated(_tiers(document))
        case kind:
            assert kind in ("volume", "volume_by_prompt")
            return Volume(_tiers(document), is_by_prompt=kind == "volume_by_prompt")


def _told(tiers: tuple[Tier, ...]) -> list[Json]:
    """Of three numbers where there is no fee, as they always were."""
    return [[*(tier if tier.fee_usd_pico else tier[:3])] for tier in tiers]


def _tiers(document: Any) -> tuple[Tier, ...]:
    return tuple(Tier(*tier) for tier in document["tiers"])
