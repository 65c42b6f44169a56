"""The versions of a price book: a tenant reads what was agreed with it, the operator every book."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString
from uuid import UUID

import strawberry

from infra.event_log import COLUMNS, LoggedEvent, TenantId, logged_event
from infra.event_sealing import is_erased
from infra.price_books import PLATFORM, price_book_id
from read_api.columns import usd_text
from read_api.connections import Connection, Edge, connection, uuid_or_none
from read_api.context import ReadInfo
from read_api.errors import coded
from read_api.events import event_data
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json, instant_of
from read_api.seals import NUMBER_MAX, cursor_number, number_cursor

PUBLISHED = "price_book.published"

# fmt: off
NEWEST: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE originator_id = %s AND originator_version < %s"
    " AND topic = 'price_book.published' ORDER BY originator_version DESC LIMIT %s"
)
# fmt: on


@strawberry.type(description="Prices from an instant on, until a later version takes their place.")
class PriceBookVersion:
    name: str = strawberry.field(description="As `prices` of usage facts names it.")
    version: int
    effective_from: Instant
    published_at: Instant
    published_by: str | None
    margin: str = strawberry.field(description="On prices that this version does not name.")
    prices: Json = strawberry.field(
        description="A list of {model, meter, price}, as POST /price-books takes it."
    )


async def price_books(
    info: ReadInfo,
    tenant_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="For the operator; without it, the platform's book."),
    ] = None,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
) -> Connection[PriceBookVersion]:
    context = info.context
    owner = context.caller.tenant_id
    if owner is None:
        owner = PLATFORM if tenant_id is None else TenantId(uuid_or_none(tenant_id) or UUID(int=1))
    elif tenant_id is not None and uuid_or_none(tenant_id) != owner:
        raise coded("forbidden", "Only the operator reads the prices of others.")
    size = first or PAGE_SIZE_DEFAULT
    before = NUMBER_MAX if after is None else cursor_number(after)
    async with context.sources.database.tenant_transaction(owner) as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(NEWEST, (price_book_id(owner), before, size + 1), prepare=True)
        found = [logged_event(row) for row in await cursor.fetchall()]
    opened = [one for one in await context.sources.open_events(found) if not is_erased(one)]
    kind = "platform" if owner == PLATFORM else "tenant"
    edges = [Edge(cursor=number_cursor(one.version), node=_version(one, kind)) for one in opened]
    return connection(edges, size=size, is_after=after is not None)


def _version(event: LoggedEvent, owner: str) -> PriceBookVersion:
    data = event_data(event)
    return PriceBookVersion(
        name=f"{owner}/{data['book_version']}",
        version=data["book_version"],
        effective_from=instant_of(datetime.fromisoformat(data["effective_from"])),
        published_at=instant_of(event.recorded_at),
        published_by=event.actor,
        margin=data["margin"],
        prices=Json(
            [
                {"model": model, "meter": meter, "price": _price(price)}
                for model, of_model in data["prices"].items()
                for meter, price in of_model.items()
            ]
        ),
    )


def _price(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Money in USD, and tiers by name."""
    shown = {name: value for name, value in stored.items() if name not in {"usd_pico", "tiers"}}
    if "usd_pico" in stored:
        shown["usd"] = _usd(stored["usd_pico"])
    if "tiers" in stored:
        shown["tiers"] = [
            {"up_to": up_to, "usd": _usd(usd_pico), "per": per}
            for up_to, usd_pico, per in stored["tiers"]
        ]
    return shown


def _usd(pico: int) -> str:
    return usd_text(Decimal(pico).scaleb(-12))
