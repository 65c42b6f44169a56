"""Searching the log of one tenant, newest first: by who, what, when, and what belongs together.

Times become places by the seals, ids of correlation are found by a summary index; what is left is
looked at in order, so many events for one page. A page may be short though there are more.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position
from domain.identifiers import TenantId
from infra.event_log import COLUMNS, logged_event
from infra.event_sealing import OpenEvents
from infra.export_pages import Exports, Page
from infra.postgres import Database

# For one page. Some 30 ms, in memory.
LOOKED_MAX = 10_000
PAGE = 500
# Of one process: each reads as much as a tenant has.
EXPORTS_MAX = 2
# Longer than any append takes: nothing that comes later in the log was recorded earlier than that.
DISORDER = timedelta(seconds=60)
FIRST = Position(0, 0, -1)
LAST = Position((1 << 15) - 1, (1 << 63) - 1, (1 << 63) - 1)

# fmt: off
PLACE_BEFORE: LiteralString = (
    "SELECT era, tx_id::text::bigint, notification_id FROM log_seals"
    " WHERE recorded_until < %s ORDER BY recorded_until DESC, number DESC LIMIT 1"
)
PLACE_AFTER: LiteralString = (
    "SELECT era, tx_id::text::bigint, notification_id FROM log_seals"
    " WHERE recorded_until >= %s ORDER BY recorded_until, number LIMIT 1"
)
# Rows are read in the order of an index, for there may be millions; what row security lets through
# is estimated far too low, and then everything would be sorted.
IN_ORDER: LiteralString = (
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
PLACES: LiteralString = (
    " AND (era, tx_id, notification_id)"
    "   < (%(before_era)s::smallint, %(before_tx)s::text::xid8, %(before_id)s)"
    " AND (era, tx_id, notification_id)"
    "   > (%(after_era)s::smallint, %(after_tx)s::text::xid8, %(after_id)s)"
)
LOOKED: LiteralString = (
    "WITH looked AS MATERIALIZED (SELECT era, tx_id, notification_id, originator_id,"
    "   originator_version, topic, actor, recorded_at FROM events WHERE "
)
OF_TENANT: LiteralString = (
    LOOKED + "tenant_id = %(tenant)s" + PLACES +
    " ORDER BY tenant_id DESC, era DESC, tx_id DESC, notification_id DESC LIMIT %(looked)s)"
)
OF_STREAM: LiteralString = (
    LOOKED + "originator_id = %(stream)s" + PLACES +
    " ORDER BY originator_id DESC, originator_version DESC LIMIT %(looked)s)"
)
CORRELATED: LiteralString = (
    LOOKED + "correlation_id = %(correlation)s" + PLACES +
    " AND (%(stream)s::uuid IS NULL OR originator_id = %(stream)s)"
    " ORDER BY era DESC, tx_id DESC, notification_id DESC LIMIT %(looked)s)"
)
FOUND: LiteralString = (
    ", found AS MATERIALIZED (SELECT originator_id, originator_version FROM looked"
    "   WHERE (%(actor)s::text IS NULL OR actor = %(actor)s)"
    "   AND (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s))"
    "   AND (%(begin)s::timestamptz IS NULL OR recorded_at >= %(begin)s)"
    "   AND (%(end)s::timestamptz IS NULL OR recorded_at < %(end)s)"
    "   ORDER BY era DESC, tx_id DESC, notification_id DESC LIMIT %(limit)s)"
    " SELECT (SELECT count(*) FROM looked),"
    "   l.last_era, l.last_tx_id::text::bigint, l.last_id, " + COLUMNS + ""
    " FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT era, tx_id, notification_id FROM looked"
    "   ORDER BY era, tx_id, notification_id LIMIT 1)"
    "   AS l (last_era, last_tx_id, last_id) ON true"
    " LEFT JOIN (SELECT events.* FROM found JOIN events USING (originator_id, originator_version))"
    "   AS e ON true"
    " ORDER BY e.era DESC, e.tx_id DESC, e.notification_id DESC"
)
# fmt: on


@dataclass(frozen=True, slots=True)
class EventFilter:
    """All that is given must hold. begin: inclusive, end: exclusive, of when it was recorded."""

    stream_id: UUID | None = None
    actor: str | None = None
    topics: Sequence[str] | None = None
    correlation_id: UUID | None = None
    begin: datetime | None = None
    end: datetime | None = None


EventPage: TypeAlias = Page[LoggedEvent, Position]


class EventSearch:
    """database: the role `api`."""

    def __init__(self, database: Database, open_events: OpenEvents) -> None:
        self._database = database
        self._open_events = open_events
        self._exports = Exports(EXPORTS_MAX, PAGE)

    async def page(
        self, tenant_id: TenantId, wanted: EventFilter, *, before: Position | None, limit: int
    ) -> EventPage:
        """Opened."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            params = await search_params(conn, tenant_id, wanted, before)
            if wanted.correlation_id is None:
                await conn.execute(IN_ORDER)
            cursor = conn.cursor(binary=True)
            await cursor.execute(_query(wanted), {**params, "limit": limit + 1})
            rows = await cursor.fetchall()
        looked, era, tx_id, notification_id, *_ = rows[0]
        found = [logged_event(row[4:]) for row in rows if row[4] is not None]
        events = await self._open_events(found[:limit])
        if len(found) > limit:
            return EventPage(events, events[-1].position)
        more = Position(era, tx_id, notification_id) if looked == LOOKED_MAX else None
        return EventPage(events, more)

    def pages(
        self,
        tenant_id: TenantId,
        wanted: EventFilter,
        *,
        before: Position | None,
        events_max: int,
    ) -> AsyncGenerator[EventPage]:
        """Of at most events_max events together, at least one page. Raises TooManyExports."""
        return self._exports.pages(
            lambda place, limit: self.page(tenant_id, wanted, before=place, limit=limit),
            before,
            events_max,
        )


def _query(wanted: EventFilter) -> LiteralString:
    if wanted.correlation_id is not None:
        return CORRELATED + FOUND
    return (OF_TENANT if wanted.stream_id is None else OF_STREAM) + FOUND


async def search_params(
    conn: AsyncConnection, tenant_id: TenantId, wanted: EventFilter, before: Position | None
) -> dict[str, object]:
    after, until = FIRST, before or LAST
    if wanted.begin is not None:
        after = await _place(conn, PLACE_BEFORE, wanted.begin) or FIRST
    if wanted.end is not None:
        end = await _place(conn, PLACE_AFTER, wanted.end + DISORDER)
        until = until if end is None else min(until, end)
    return {
        "tenant": tenant_id,
        "before_era": until.era,
        "before_tx": str(until.tx_id),
        "before_id": until.notification_id,
        "after_era": after.era,
        "after_tx": str(after.tx_id),
        "after_id": after.notification_id,
        "stream": wanted.stream_id,
        "correlation": wanted.correlation_id,
        "actor": None if wanted.actor is None else _searchable(wanted.actor),
        "topics": None if wanted.topics is None else [_searchable(one) for one in wanted.topics],
        "begin": wanted.begin,
        "end": wanted.end,
        "looked": LOOKED_MAX,
    }


def _searchable(text: str) -> str:
    """PostgreSQL refuses a NUL, which is in no stored text."""
    return text.replace("\x00", "\ufffd")


async def _place(conn: AsyncConnection, query: LiteralString, moment: datetime) -> Position | None:
    row = await (await conn.execute(query, (moment,))).fetchone()
    return None if row is None else Position(*row)
