"""The check of `agentledger verify` on a projection: it is the fold of its events, exactly.

It may run beside a live projector: rows and versions applied are committed together, so at any
moment the rows of a stream must be the fold of exactly that many events. Page by page, each in one
snapshot, with bounded memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

import orjson
from psycopg import AsyncConnection, sql

from commands.ports import LoggedEvent
from domain.identifiers import SHARDS_COUNT
from infra.event_log import COLUMNS, logged_event
from infra.event_sealing import OpenEvents
from infra.verification import Check
from projections.fold import Applied, Fold, Row, read_fact
from projections.positions import positions_of_shards
from projections.rows import Tables
from projections.table import AnyProjection, Key

STREAMS_PAGE = 200
PLACES_PAGE = 5000
EVENTS_PAGE = 1000
FIRST = UUID(int=0)
LAST = UUID(int=2**128 - 1)

# fmt: off
EVENTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM agentledger.events WHERE originator_id = ANY(%s)"
    " AND (originator_id, originator_version) > (%s, %s)"
    " ORDER BY originator_id, originator_version LIMIT %s"
)
# The newest event of each stream that the positions say is applied.
REACHED: LiteralString = (
    "SELECT e.originator_id, e.tenant_id, max(e.originator_version) FROM agentledger.events AS e"
    " JOIN json_to_recordset(%s)"
    "   AS p(shard smallint, era smallint, tx_id text, notification_id bigint) ON p.shard = e.shard"
    " WHERE (e.era, e.tx_id, e.notification_id) <= (p.era, p.tx_id::xid8, p.notification_id)"
    " AND e.originator_id > %s AND e.topic = ANY(%s)"
    " GROUP BY e.originator_id, e.tenant_id ORDER BY e.originator_id LIMIT %s"
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Page:
    """Some streams with all their rows, as of one snapshot."""

    streams: Mapping[UUID, Applied]
    rows: Mapping[Key, Row]
    last: tuple[UUID, UUID]


async def verify_projection(
    conn: AsyncConnection, projection: AnyProjection, open_events: OpenEvents
) -> Check:
    """conn: autocommit, sees every tenant. Counts the rows compared."""
    check = Check(f"{projection.table} is the fold of its events")
    tables = Tables(projection, projection.table)
    last = (FIRST, FIRST)
    while last[0] != LAST:
        page, fold = await _folded_page(conn, tables, open_events, after=last)
        _compare(page, fold, check)
        last = page.last
    await _verify_nothing_is_left_out(conn, tables, check)
    await _verify_nothing_is_parked(conn, tables, check)
    return check


async def _folded_page(
    conn: AsyncConnection, tables: Tables, open_events: OpenEvents, *, after: tuple[UUID, UUID]
) -> tuple[Page, Fold]:
    """Some streams with their rows, and what their rows must be."""
    async with conn.transaction():
        await _begin_snapshot(conn, tables)
        page = await _read_page(conn, tables, after)
        fold = Fold(tables.projection)
        await _fold_streams(conn, fold, page.streams, open_events)
    return page, fold


def _compare(page: Page, fold: Fold, check: Check) -> None:
    for stream_id, applied in page.streams.items():
        if stream_id in fold.parked:
            parked = fold.parked[stream_id]
            check.violated(f"{stream_id} version {parked.event.version}: {parked.error!r}")
        elif stream_id not in fold.streams or fold.streams[stream_id].version != applied.version:
            check.violated(f"{stream_id}: version {applied.version} is applied and not stored")
    for key in fold.rows.keys() | page.rows.keys():
        check.checked += 1
        difference = _difference(fold.rows.get(key), page.rows.get(key))
        if difference is not None:
            check.violated(f"{'/'.join(map(str, key))}: {difference}")


def _difference(expected: Row | None, found: Row | None) -> str | None:
    if found is None:
        return "the row is missing"
    if expected is None:
        return "no event explains this row"
    columns = [name for name, value in expected.items() if found[name] != value]
    return f"{', '.join(columns)} differ" if columns else None


async def _begin_snapshot(conn: AsyncConnection, tables: Tables) -> None:
    """The lock comes before the snapshot: a rebuild cannot swap the tables between the two."""
    await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    await conn.execute(
        sql.SQL("LOCK TABLE {}, {} IN ACCESS SHARE MODE").format(tables.streams, tables.rows)
    )


async def _read_page(conn: AsyncConnection, tables: Tables, after: tuple[UUID, UUID]) -> Page:
    """The next streams, and every row up to the last of them, also of streams not there."""
    cursor = conn.cursor(binary=True)
    await cursor.execute(
        sql.SQL(
            "SELECT stream_id, tenant_id, version, is_parked FROM {}"
            " WHERE (tenant_id, stream_id) > (%s, %s) ORDER BY tenant_id, stream_id LIMIT %s"
        ).format(tables.streams),
        (*after, STREAMS_PAGE),
    )
    streams = {row[0]: Applied(*row[1:]) for row in await cursor.fetchall()}
    last = (LAST, LAST)
    if len(streams) == STREAMS_PAGE:
        stream_id = next(reversed(streams))
        last = (streams[stream_id].tenant_id, stream_id)
    await cursor.execute(
        sql.SQL(
            "SELECT {columns} FROM {rows} AS r"
            " WHERE (tenant_id, {stream}) > (%s, %s) AND (tenant_id, {stream}) <= (%s, %s)"
        ).format(
            columns=tables.selected_columns,
            rows=tables.rows,
            stream=sql.Identifier(tables.projection.stream_column),
        ),
        (*after, *last),
    )
    rows = [tables.row_of(record) for record in await cursor.fetchall()]
    return Page(streams, {tables.projection.key_of(row): row for row in rows}, last)


async def _fold_streams(
    conn: AsyncConnection, fold: Fold, streams: Mapping[UUID, Applied], open_events: OpenEvents
) -> None:
    """Take as many events of each stream as are said to be applied."""
    after: tuple[UUID, int] = (FIRST, 0)
    while True:
        cursor = conn.cursor(binary=True)
        await cursor.execute(EVENTS, (list(streams), *after, EVENTS_PAGE), prepare=True)
        events: Sequence[LoggedEvent] = [logged_event(row) for row in await cursor.fetchall()]
        for event in await open_events(events):
            if event.version <= streams[event.stream_id].version:
                fold.take(event, read_fact(event))
        if len(events) < EVENTS_PAGE:
            return
        after = (events[-1].stream_id, events[-1].version)


async def _verify_nothing_is_left_out(conn: AsyncConnection, tables: Tables, check: Check) -> None:
    """Every event up to the positions is applied, or its stream is parked."""
    after = FIRST
    while after != LAST:
        async with conn.transaction():
            await _begin_snapshot(conn, tables)
            positions = await positions_of_shards(conn, tables.projection.table, SHARDS_COUNT)
            document = [
                {
                    "shard": shard,
                    "era": position.era,
                    "tx_id": str(position.tx_id),
                    "notification_id": position.notification_id,
                }
                for shard, position in enumerate(positions)
            ]
            topics = list(tables.projection.stream_topics)
            cursor = conn.cursor(binary=True)
            await cursor.execute(
                REACHED, (orjson.dumps(document).decode(), after, topics, PLACES_PAGE)
            )
            reached = {row[0]: Applied(row[1], row[2], False) for row in await cursor.fetchall()}
            fold = Fold(tables.projection)
            streams = {(applied.tenant_id, stream_id) for stream_id, applied in reached.items()}
            await (await tables.ask(conn, streams, set())).into(fold)
        for stream_id, applied in reached.items():
            stored = fold.stored_streams.get(stream_id) or Applied(applied.tenant_id, 0, False)
            if stored.version < applied.version and not stored.is_parked:
                check.violated(
                    f"{stream_id}: applied to version {stored.version} of {applied.version}"
                )
        after = next(reversed(reached)) if len(reached) == PLACES_PAGE else LAST


async def _verify_nothing_is_parked(conn: AsyncConnection, tables: Tables, check: Check) -> None:
    """Until a parked stream is replayed, the projection is not what its events say."""
    query = sql.SQL(
        "SELECT coalesce(s.stream_id, d.stream_id), s.version, d.error"
        " FROM (SELECT * FROM {} WHERE is_parked) AS s FULL JOIN"
        " (SELECT * FROM agentledger.dead_letters WHERE projection = {}) AS d USING (stream_id)"
    ).format(tables.streams, sql.Literal(tables.projection.table))
    for stream_id, version, error in await (await conn.execute(query)).fetchall():
        if version is None:
            check.violated(f"{stream_id}: has a dead letter and is not parked")
        elif error is None:
            check.violated(f"{stream_id}: is parked at version {version} without a dead letter")
        else:
            check.violated(f"{stream_id}: is parked at version {version}: {error}")
