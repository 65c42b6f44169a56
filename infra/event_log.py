"""Reading the log: one tenant's stream, or everything in commit order.

Commit order without a lock: a row is handed out only when its transaction is older than every
transaction still running (`pg_snapshot_xmin`), in one plain statement, so that no row can appear
later before one already read.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position
from domain.identifiers import Shard, TenantId
from infra.postgres import Database

BEGINNING = Position(0, 0, 0)

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
READ_STREAM_UNBOUND: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT %s"
)
READ_COMMIT_ORDER: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE (era, tx_id, notification_id) > (%s, %s::text::xid8, %s)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %s"
)
READ_COMMIT_ORDER_OF_SHARDS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE (era, tx_id, notification_id) > (%s, %s::text::xid8, %s)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " AND shard = ANY(%s)"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %s"
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
    async with database.connection() as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(
            READ_STREAM, (tenant_id, stream_id, after_version, limit), prepare=True
        )
        return [logged_event(row) for row in await cursor.fetchall()]


async def read_stream_unbound(
    conn: AsyncConnection, stream_id: UUID, *, after_version: int, limit: int
) -> list[LoggedEvent]:
    """The same for roles that see every tenant (projector, relay, owner)."""
    cursor = conn.cursor(binary=True)
    await cursor.execute(READ_STREAM_UNBOUND, (stream_id, after_version, limit), prepare=True)
    return [logged_event(row) for row in await cursor.fetchall()]


async def read_commit_order(
    conn: AsyncConnection, after: Position, *, limit: int, shards: Sequence[int] | None = None
) -> list[LoggedEvent]:
    """Settled events after a place, in commit order. The connection must be in autocommit: one
    statement, one snapshot.
    """
    cursor = conn.cursor(binary=True)
    place = (after.era, str(after.tx_id), after.notification_id)
    if shards is None:
        await cursor.execute(READ_COMMIT_ORDER, (*place, limit), prepare=True)
    else:
        await cursor.execute(
            READ_COMMIT_ORDER_OF_SHARDS, (*place, list(shards), limit), prepare=True
        )
    return [logged_event(row) for row in await cursor.fetchall()]


async def read_end(conn: AsyncConnection) -> Position:
    """The place that separates what is settled now from what settles later."""
    row = await (await conn.execute(READ_END)).fetchone()
    assert row is not None
    return Position(int(row[0]), int(row[1]), -1)


def logged_event(row: Row) -> LoggedEvent:
    return LoggedEvent(
        position=Position(row[0], row[1], row[2]),
        stream_id=row[3],
        version=row[4],
        topic=row[5],
        state=bytes(row[6]),
        tenant_id=TenantId(row[7]),
        shard=Shard(row[8]),
        event_id=row[9],
        actor=row[10],
        command_id=row[11],
        causation_id=row[12],
        correlation_id=row[13],
        traceparent=row[14],
        recorded_at=row[15],
    )
