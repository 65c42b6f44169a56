"""Reading the log: one tenant's stream, or everything in commit order.

Commit order without a lock: a row is handed out only when its transaction is older than every
transaction still running (`pg_snapshot_xmin`), in one plain statement, so that no row can appear
later before one already read.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position
from domain.identifiers import Shard, TenantId
from infra.binary_form import BIGINT, SMALLINT, smallint_array, text_array
from infra.postgres import Database
from infra.prepared_statements import PreparedStatements

BEGINNING = Position(0, 0, 0)
# Marks the row of a snapshot among those of events (stream_from_snapshot).
SNAPSHOT_TOPIC = "snapshot"


class Snapshot(NamedTuple):
    version: int
    state: bytes


COLUMNS: LiteralString = (
    "era, tx_id::text::bigint, notification_id, originator_id, originator_version, topic, state,"
    " tenant_id, shard, event_id, actor, command_id, causation_id, correlation_id, traceparent,"
    " recorded_at"
)
Row = tuple[
    int,
    int,
    int,
    UUID,
    int,
    str,
    bytes,
    UUID,
    int,
    UUID,
    str | None,
    UUID | None,
    UUID | None,
    UUID | None,
    str | None,
    datetime,
]

# fmt: off
READ_STREAM: LiteralString = (
    "SELECT " + COLUMNS + " FROM stream_events(%s, %s, %s, %s)"
)
READ_STREAM_AS_PERSON: LiteralString = (
    "SELECT " + COLUMNS + " FROM person_stream_events(%s, %s, %s, %s, %s)"
)
READ_FROM_SNAPSHOT: LiteralString = (
    "SELECT " + COLUMNS + " FROM stream_from_snapshot(%s, %s, %s, %s)"
)
READ_STREAM_UNBOUND: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT %s"
)
READ_COMMIT_ORDER: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE (era, tx_id, notification_id) > (%b::smallint, %b::text::xid8, %b::bigint)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %b::bigint"
)
READ_COMMIT_ORDER_OF_SHARDS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE (era, tx_id, notification_id) > (%b::smallint, %b::text::xid8, %b::bigint)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " AND shard = ANY(%b::smallint[])"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %b::bigint"
)
# The events of some topics, and on every row how far the log was searched for them: the end as the
# same snapshot has it. Without events there is one row that says only that.
READ_TOPICS: LiteralString = (
    "SELECT " + COLUMNS + ", end_era, end_tx_id FROM"
    " (SELECT current_era() AS end_era,"
    "         pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS end_tx_id) AS present"
    " LEFT JOIN LATERAL (SELECT * FROM events"
    "   WHERE (era, tx_id, notification_id) > (%b::smallint, %b::text::xid8, %b::bigint)"
    "   AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    "   AND shard = ANY(%b::smallint[]) AND topic = ANY(%b::text[])"
    "   ORDER BY era, tx_id, notification_id LIMIT %b::bigint) AS found ON true"
    " ORDER BY found.era, found.tx_id, found.notification_id"
)
# Everything before this place is committed and visible; whatever commits later comes after it.
READ_END: LiteralString = (
    "SELECT current_era(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
)
# fmt: on


async def read_stream(
    database: Database, tenant_id: TenantId, stream_id: UUID, *, after_version: int, limit: int
) -> list[LoggedEvent]:
    """One page of one stream, oldest first; empty for another tenant's stream."""
    async with database.shared() as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(
            READ_STREAM, (tenant_id, stream_id, after_version, limit), prepare=True
        )
        return [logged_event(row) for row in await cursor.fetchall()]


async def read_stream_as(
    database: Database,
    tenant_id: TenantId,
    person: UUID | None,
    stream_id: UUID,
    *,
    after_version: int,
    limit: int,
) -> list[LoggedEvent]:
    """The same as one person sees it: empty, too, for a stream that they do not see. None sees the
    whole tenant.
    """
    if person is None:
        return await read_stream(
            database, tenant_id, stream_id, after_version=after_version, limit=limit
        )
    async with database.shared() as conn:
        cursor = conn.cursor(binary=True)
        asked = (tenant_id, person, stream_id, after_version, limit)
        await cursor.execute(READ_STREAM_AS_PERSON, asked, prepare=True)
        return [logged_event(row) for row in await cursor.fetchall()]


async def read_from_snapshot(
    database: Database, tenant_id: TenantId, stream_id: UUID, *, schema_version: int, limit: int
) -> tuple[Snapshot | None, list[LoggedEvent]]:
    """The newest snapshot of a stream, and the first page of the events after it."""
    async with database.shared() as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(
            READ_FROM_SNAPSHOT, (tenant_id, stream_id, schema_version, limit), prepare=True
        )
        rows: list[Row] = await cursor.fetchall()
    if rows and rows[0][5] == SNAPSHOT_TOPIC:
        return Snapshot(rows[0][4], rows[0][6]), [logged_event(row) for row in rows[1:]]
    return None, [logged_event(row) for row in rows]


async def read_stream_unbound(
    conn: AsyncConnection, stream_id: UUID, *, after_version: int, limit: int
) -> list[LoggedEvent]:
    """The same for roles that see every tenant (projector, relay, owner)."""
    cursor = conn.cursor(binary=True)
    await cursor.execute(READ_STREAM_UNBOUND, (stream_id, after_version, limit), prepare=True)
    return [logged_event(row) for row in await cursor.fetchall()]


async def read_commit_order(
    statements: PreparedStatements,
    after: Position,
    *,
    limit: int,
    shards: Sequence[int] | None = None,
) -> list[LoggedEvent]:
    """Settled events after a place, in commit order. The connection must be in autocommit: one
    statement, one snapshot.
    """
    place = place_params(after)
    if shards is None:
        rows = await statements.rows(READ_COMMIT_ORDER, [*place, BIGINT(limit)])
    else:
        params = [*place, smallint_array(shards), BIGINT(limit)]
        rows = await statements.rows(READ_COMMIT_ORDER_OF_SHARDS, params)
    return [logged_event(row) for row in rows]


async def read_topics(
    statements: PreparedStatements,
    after: Position,
    *,
    topics: frozenset[str],
    shards: tuple[int, ...],
    limit: int,
) -> tuple[list[LoggedEvent], Position]:
    """As read_commit_order, of some topics only; and the place up to which there are no others.

    That place moves on over what was left out, so that nobody looks at it again.
    """
    params = [*place_params(after), *_wanted(topics, shards), BIGINT(limit)]
    rows = await statements.rows(READ_TOPICS, params)
    *_, end_era, end_tx_id = rows[-1]
    end = Position(end_era, end_tx_id, -1)
    events = [logged_event(row) for row in rows if row[0] is not None]
    return events, events[-1].position if len(events) == limit else max(after, end)


@lru_cache(maxsize=64)
def _wanted(topics: frozenset[str], shards: tuple[int, ...]) -> tuple[bytes, bytes]:
    """As READ_TOPICS takes them: who follows the log asks for the same at every look."""
    return smallint_array(shards), text_array(sorted(topics))


async def read_end(conn: AsyncConnection) -> Position:
    """The place that separates what is settled now from what settles later."""
    row = await (await conn.execute(READ_END)).fetchone()
    assert row is not None
    return Position(int(row[0]), int(row[1]), -1)


def place_params(after: Position) -> list[bytes]:
    """A place as statements take it that read what comes after it."""
    return [SMALLINT(after.era), str(after.tx_id).encode(), BIGINT(after.notification_id)]


def logged_event(row: Row) -> LoggedEvent:
    """Row: as COLUMNS has it; LoggedEvent has the same order behind the position."""
    return LoggedEvent(
        Position(row[0], row[1], row[2]),
        row[3],
        row[4],
        row[5],
        row[6],
        TenantId(row[7]),
        Shard(row[8]),
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        row[14],
        row[15],
    )
