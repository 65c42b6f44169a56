"""The versions of a price book: a tenant reads what was agreed with it, and what is charged on its
plan; the operator every book.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString, NamedTuple
from uuid import UUID

import strawberry

from infra.event_log import COLUMNS, LoggedEvent, TenantId, logged_event
from infra.event_sealing import is_erased
from infra.price_books import PLATFORM, price_book_id
from read_api.columns import usd_text
from read_api.connections import Connection, Edge, connection, uuid_or_none
from read_api.context import ReadContext, ReadInfo
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
OWN_PLAN: LiteralString = "SELECT plan_id::text FROM plan_of(%s)"
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
    *,
    plan_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="The book of a plan; a tenant reads that of its own."),
    ] = None,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
) -> Connection[PriceBookVersion]:
    context = info.context
    book = await _book(context, tenant_id, plan_id)
    size = first or PAGE_SIZE_DEFAULT
    before = NUMBER_MAX if after is None else cursor_number(after)
    async with context.sources.database.tenant_transaction(book.tenant_id) as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(NEWEST, (price_book_id(book.owner_id), before, size + 1), prepare=True)
        found = [logged_event(row) for row in await cursor.fetchall()]
    opened = [one for one in await context.sources.open_events(found) if not is_erased(one)]
    edges = [
        Edge(cursor=number_cursor(one.version), node=_version(one, book.name)) for one in opened
    ]
    return connection(edges, size=size, is_after=after is not None)


class _Book(NamedTuple):
    """tenant_id: in whose log it is. name: as facts begin with it."""

    owner_id: UUID
    tenant_id: TenantId
    name: str


async def _book(context: ReadContext, tenant_id: str | None, plan_id: str | None) -> _Book:
    """Raises GraphQLError."""
    own = context.caller.tenant_id
    if own is not None and tenant_id is not None and uuid_or_none(tenant_id) != own:
        raise coded("forbidden", "Only the operator reads the prices of others.")
    if plan_id is not None:
        asked = uuid_or_none(plan_id) or UUID(int=1)
        if own is not None and str(asked) != await _own_plan(context, own):
            raise coded("forbidden", "A tenant reads the prices of the plan that it is on.")
        return _Book(asked, PLATFORM, f"plan/{asked}")
    if own is None and tenant_id is None:
        return _Book(PLATFORM, PLATFORM, "platform")
    owner = own or TenantId(uuid_or_none(tenant_id or "") or UUID(int=1))
    return _Book(owner, owner, "tenant")


async def _own_plan(context: ReadContext, tenant_id: TenantId) -> str:
    async with context.sources.database.tenant_transaction(tenant_id) as conn:
        row = await (await conn.execute(OWN_PLAN, (tenant_id,))).fetchone()
    assert row is not None, "the standard plan is there from the start"
    return str(row[0])


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
    """Money in USD, and tiers by name; `over` as it is taken."""
    shown = {name: value for name, value in stored.items() if name not in {"usd_pico", "tiers"}}
    if stored["kind"] in {"package", "graduated", "volume"}:
        shown.setdefault("over", "call")
    if "usd_pico" in stored:
        shown["usd"] = _usd(stored["usd_pico"])
    if "tiers" in stored:
        shown["tiers"] = [
            {"up_to": up_to, "usd": _usd(usd_pico), "per": per, **_fee(*fee)}
            for up_to, usd_pico, per, *fee in stored["tiers"]
        ]
    return shown


def _fee(usd_pico: int = 0) -> dict[str, str]:
    return {"fee_usd": _usd(usd_pico)} if usd_pico else {}


def _usd(pico: int) -> str:
    return usd_text(Decimal(pico).scaleb(-12))
