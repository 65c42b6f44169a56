"""The log as an audit trail: who did what, when, and the facts that were recorded."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import strawberry

from infra.event_codec import decode
from infra.event_log import COLUMNS, LoggedEvent, Position, logged_event
from infra.event_sealing import is_erased, is_without_personal
from infra.event_search import EventFilter as Wanted
from read_api.connections import (
    Connection,
    Edge,
    PageInfo,
    connection,
    uuid_or_nobody,
    uuid_or_none,
)
from read_api.context import ReadContext, ReadInfo
from read_api.errors import refuse
from read_api.event_causes import cause_of, effects_of, event_at, lineage_of
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.positions import ERA_MAX, NUMBER_MAX, position_text
from read_api.scalars import Instant, Json, instant_of

# What the library keeps in an event that is not a fact of the domain.
LIBRARY_FIELDS = frozenset({"originator_id", "originator_version", "originator_topic", "timestamp"})

TOPICS_MAX = 50

# fmt: off
# Of the table: a column of the answer has the same name, and no index; all of the tenant would be
# sorted.
NEWEST_OF_TENANT: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE (era, tx_id, notification_id) < (%(era)s, %(tx_id)s::text::xid8, %(notification_id)s)"
    " ORDER BY events.era DESC, events.tx_id DESC, events.notification_id DESC LIMIT %(limit)s"
)
NEWEST_OF_STREAM: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE originator_id = %(stream_id)s AND originator_version < %(version)s"
    " ORDER BY originator_version DESC LIMIT %(limit)s"
)
# fmt: on
IS_SEEN: LiteralString = "SELECT to_json(sees_stream(($1->>'stream_id')::uuid))"


@strawberry.type(description="One recorded fact.")
class Event:
    logged: strawberry.Private[LoggedEvent]

    @strawberry.field(description="Its place in the log; may be sent as a minimum position.")
    def position(self) -> str:
        return position_text(self.logged)

    @strawberry.field
    def stream_id(self) -> strawberry.ID:
        return strawberry.ID(str(self.logged.stream_id))

    @strawberry.field(description="Its number within its stream.")
    def version(self) -> int:
        return self.logged.version

    @strawberry.field
    def topic(self) -> str:
        return self.logged.topic

    @strawberry.field
    def recorded_at(self) -> Instant:
        return instant_of(self.logged.recorded_at)

    @strawberry.field(description="Who caused it: a user, an API key, a worker, the operator.")
    def actor(self) -> str | None:
        return self.logged.actor

    @strawberry.field
    def command_id(self) -> strawberry.ID | None:
        return _id(self.logged.command_id)

    @strawberry.field
    def causation_id(self) -> strawberry.ID | None:
        return _id(self.logged.causation_id)

    @strawberry.field
    def correlation_id(self) -> strawberry.ID | None:
        return _id(self.logged.correlation_id)

    @strawberry.field(description="The W3C trace context of the request that caused it.")
    def traceparent(self) -> str | None:
        return self.logged.traceparent

    @strawberry.field(
        description="The facts, as the newest version of this kind of event says them."
    )
    def data(self) -> Json | None:
        return None if is_erased(self.logged) else Json(event_data(self.logged))

    @strawberry.field(
        description="What it was decided upon: an event of any stream of the tenant, mostly the one"
        " before it in its own. Empty where nothing in the log came before it."
    )
    async def causes(self, info: ReadInfo) -> list["Event"]:
        cause = await cause_of(info.context, self.logged)
        return [] if cause is None else [Event(logged=cause)]

    @strawberry.field(description="What was decided upon it, in its own stream and in others.")
    async def effects(self, info: ReadInfo) -> list["Event"]:
        return [Event(logged=one) for one in await effects_of(info.context, self.logged)]

    @strawberry.field(
        description="From this event back to what began it all: itself, its cause, the cause of"
        " that. At most 100."
    )
    async def lineage(self, info: ReadInfo) -> list["Event"]:
        return [Event(logged=one) for one in await lineage_of(info.context, self.logged)]

    @strawberry.field(
        description="Whether what was personal in it is gone: its data subject, or all of the"
        " tenant, was erased."
    )
    def is_erased(self) -> bool:
        return is_erased(self.logged) or is_without_personal(self.logged)


def event_data(event: LoggedEvent) -> dict[str, Any]:
    fields = vars(decode(event))
    return {name: value for name, value in fields.items() if name not in LIBRARY_FIELDS}


async def event(info: ReadInfo, stream_id: strawberry.ID, version: int) -> Event | None:
    stream = uuid_or_none(stream_id)
    found = None if stream is None else await event_at(info.context, stream, version)
    return None if found is None else Event(logged=found)


@strawberry.input(description="All that is given must hold.")
class EventFilter:
    actor: str | None = None
    topics: list[str] | None = strawberry.field(default=None, description="Any of these.")
    correlation_id: strawberry.ID | None = strawberry.field(
        default=None, description="The request that it came from, or the execution."
    )
    from_: Instant | None = strawberry.field(default=None, name="from", description="Inclusive.")
    to: Instant | None = strawberry.field(default=None, description="Exclusive.")


async def events(
    info: ReadInfo,
    stream_id: strawberry.ID | None = None,
    *,
    filter: EventFilter | None = None,  # noqa: A002 # its name in the schema
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
) -> Connection[Event]:
    """With a filter a page may be short though there are more: so many were looked at."""
    context = info.context
    size = first or PAGE_SIZE_DEFAULT
    if filter is not None:
        return await _found(context, _wanted(stream_id, filter), size=size, after=after)
    place = (
        cursor_place(after) if after is not None else (ERA_MAX, NUMBER_MAX, NUMBER_MAX, NUMBER_MAX)
    )
    params: dict[str, object] = {
        "era": place[0],
        "tx_id": str(place[1]),
        "notification_id": place[2],
        "version": place[3],
        "limit": size + 1,
    }
    if stream_id is not None:
        params["stream_id"] = uuid_or_none(stream_id)
    query = NEWEST_OF_TENANT if stream_id is None else NEWEST_OF_STREAM
    tenant_id = context.caller.tenant_id
    assert tenant_id is not None  # read_api/root_fields.py
    if stream_id is not None and not await _is_seen(context, stream_id):
        return connection([], size=size, is_after=after is not None)
    async with context.sources.database.tenant_transaction(tenant_id) as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(query, params, prepare=True)
        found = [logged_event(row) for row in await cursor.fetchall()]
    opened = await context.sources.open_events(found)
    edges = [Edge(cursor=cursor_of(event), node=Event(logged=event)) for event in opened]
    return connection(edges, size=size, is_after=after is not None)


async def _found(
    context: ReadContext, wanted: Wanted, *, size: int, after: str | None
) -> Connection[Event]:
    tenant_id = context.caller.tenant_id
    assert tenant_id is not None  # read_api/root_fields.py
    before = None if after is None else Position(*cursor_place(after)[:3])
    if wanted.stream_id is not None and not await _is_seen(context, str(wanted.stream_id)):
        return connection([], size=size, is_after=after is not None)
    page = await context.sources.event_search.page(tenant_id, wanted, before=before, limit=size)
    edges = [Edge(cursor=cursor_of(event), node=Event(logged=event)) for event in page.items]
    end = page.next_before
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=end is not None,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=_cursor(end, 0) if end else edges[-1].cursor if edges else None,
        ),
    )


def _wanted(stream_id: str | None, asked: EventFilter) -> Wanted:
    return Wanted(
        stream_id=None if stream_id is None else UUID(uuid_or_nobody(stream_id)),
        actor=asked.actor,
        topics=asked.topics,
        correlation_id=(
            None if asked.correlation_id is None else UUID(uuid_or_nobody(asked.correlation_id))
        ),
        begin=_moment(asked.from_),
        end=_moment(asked.to),
    )


def _moment(instant: Instant | None) -> datetime | None:
    return None if instant is None else datetime.fromisoformat(instant)


async def _is_seen(context: ReadContext, stream_id: str) -> bool:
    """By who sees only what is theirs; all others see whatever their tenant has."""
    if context.caller.reads_as is None:
        return True
    asked = {"stream_id": uuid_or_nobody(stream_id)}
    return bool(await context.loaded(IS_SEEN, asked))


def check_event_page(arguments: Mapping[str, Any], _limits: ReadLimits) -> None:
    """Raises RequestRefused when `after` is no cursor, or too many topics are asked for."""
    if arguments.get("after") is not None:
        cursor_place(arguments["after"])
    asked: Mapping[str, Any] = arguments.get("filter") or {}
    topics: list[str] = asked.get("topics") or []
    if len(topics) > TOPICS_MAX:
        raise refuse("too_many_topics", f"At most {TOPICS_MAX} topics are taken.")


def cursor_of(event: LoggedEvent) -> str:
    """Good for the list of its tenant and for the list of its stream."""
    return _cursor(event.position, event.version)


def _cursor(place: Position, version: int) -> str:
    text = f"{place.era}.{place.tx_id}.{place.notification_id}.{version}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_place(cursor: str) -> tuple[int, int, int, int]:
    """(era, transaction, notification, version). Raises RequestRefused."""
    try:
        text = base64.urlsafe_b64decode(cursor + "==").decode("ascii")
        era, tx_id, notification_id, version = (int(part) for part in text.split("."))
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    numbers = (tx_id, notification_id, version)
    if not 0 <= era <= ERA_MAX or not all(0 <= number <= NUMBER_MAX for number in numbers):
        raise _bad_cursor()
    return era, tx_id, notification_id, version


def _bad_cursor() -> Exception:
    return refuse("bad_cursor", "`after` is not a cursor of this list.")


def _id(value: object) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(str(value))
