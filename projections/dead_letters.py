"""Streams that a projection could not apply: parked, listed, replayed once the cause is mended.

A replay folds the stream anew from the store, replaces its rows and releases it, in one transaction
that takes the positions of its partition first: no projector writes meanwhile, and one that has
read before will read again.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from domain.errors import NotFound
from infra.crash_points import reach
from infra.event_log import read_stream_unbound
from infra.event_sealing import OpenEvents
from projections.fold import Fold, Parked, read_fact
from projections.positions import take_positions_of_shard
from projections.rows import UNWRITABLE, Tables, row_documents, stream_documents
from projections.table import AnyProjection

ERROR_CHARACTERS_MAX = 4000
EVENTS_PAGE = 500
LETTERS_PAGE = 500
FIRST_ID = UUID(int=0)


class NotParked(NotFound):
    """This projection has not parked this stream."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """version, topic: the first event that was not applied.

    attempts: the first one, and every replay that failed.
    """

    projection: str
    stream_id: UUID
    tenant_id: UUID
    version: int
    topic: str
    error: str
    attempts: int
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """version: how far the stream is applied. error: why it stays parked, None when it does not."""

    projection: str
    stream_id: UUID
    version: int
    error: str | None


# fmt: off
LIST: LiteralString = (
    "SELECT projection, stream_id, tenant_id, version, topic, error, attempts, parked_at"
    " FROM agentledger.dead_letters WHERE projection = %s AND stream_id > %s"
    " ORDER BY stream_id LIMIT %s"
)
RECORD: LiteralString = (
    "INSERT INTO agentledger.dead_letters (projection, stream_id, tenant_id, version, topic, error)"
    " SELECT %s, stream_id, tenant_id, version, topic, error FROM json_to_recordset(%s)"
    "  AS n(stream_id uuid, tenant_id uuid, version bigint, topic text, error text)"
    " ON CONFLICT (projection, stream_id) DO UPDATE SET version = EXCLUDED.version,"
    "  topic = EXCLUDED.topic, error = EXCLUDED.error, parked_at = clock_timestamp()"
)
RECORD_ATTEMPT: LiteralString = (
    "UPDATE agentledger.dead_letters SET attempts = attempts + 1,"
    "  error = %s, version = %s, topic = %s WHERE projection = %s AND stream_id = %s"
)
RELEASE: LiteralString = (
    "DELETE FROM agentledger.dead_letters WHERE projection = %s AND stream_id = %s"
    " RETURNING stream_id"
)
# fmt: on


async def record_parked(
    conn: AsyncConnection, projection: AnyProjection, parked: Mapping[UUID, Parked]
) -> None:
    """Write down what a fold has parked; in the transaction of its rows."""
    if not parked:
        return
    letters = [
        {
            "stream_id": stream_id,
            "tenant_id": one.event.tenant_id,
            "version": one.event.version,
            "topic": one.event.topic,
            "error": error_text(one.error),
        }
        for stream_id, one in parked.items()
    ]
    await conn.execute(RECORD, (projection.table, orjson.dumps(letters).decode()))


async def parked_streams(
    conn: AsyncConnection, projection: AnyProjection
) -> AsyncIterator[DeadLetter]:
    """Every parked stream of a projection, by stream. conn: projector or owner, in autocommit."""
    after = FIRST_ID
    while True:
        cursor = await conn.execute(LIST, (projection.table, after, LETTERS_PAGE))
        letters = [DeadLetter(*row) for row in await cursor.fetchall()]
        for letter in letters:
            yield letter
        if len(letters) < LETTERS_PAGE:
            return
        after = letters[-1].stream_id


async def replay(
    conn: AsyncConnection, projection: AnyProjection, open_events: OpenEvents, stream_id: UUID
) -> Replayed:
    """Apply a parked stream from its first event; if that fails again, only the letter changes.

    Raises NotParked. conn: projector or owner, in autocommit.
    """
    fold = Fold(projection)
    last = await take_from_store(conn, fold, open_events, stream_id=stream_id)
    if last is None:
        raise NotParked
    try:
        last = await _release(conn, fold, open_events, last)
    except UNWRITABLE as error:
        return await _record_failure(conn, fold, last, error)
    if fold.parked:
        return await _record_failure(conn, fold, last, fold.parked[stream_id].error)
    return Replayed(projection.table, stream_id, last.version, None)


async def _release(
    conn: AsyncConnection, fold: Fold, open_events: OpenEvents, last: LoggedEvent
) -> LoggedEvent:
    """Put the fold in the place of the stream's rows; nothing changes when it has parked again."""
    projection = fold.projection.table
    async with conn.transaction() as transaction:
        await take_positions_of_shard(conn, projection, last.shard)
        released = await conn.execute(RELEASE, (projection, last.stream_id))
        if await released.fetchone() is None:
            raise NotParked
        # What was delivered since the first read was not applied, for the stream was parked.
        newer = await take_from_store(
            conn, fold, open_events, stream_id=last.stream_id, after_version=last.version
        )
        last = newer or last
        if fold.parked:
            raise psycopg.Rollback(transaction)
        tables = Tables(fold.projection, projection)
        await tables.delete_stream(conn, last.tenant_id, last.stream_id)
        for document in row_documents(fold):
            await tables.write_rows(conn, document)
        for document in stream_documents(fold):
            await tables.write_streams(conn, document)
        reach("replay.before_commit")
    reach("replay.after_commit")
    return last


def error_text(error: Exception) -> str:
    """What a person reads; without the characters that PostgreSQL cannot store."""
    text = f"{type(error).__name__}: {error}".replace("\x00", "\\x00")
    return text.encode(errors="replace").decode()[:ERROR_CHARACTERS_MAX]


async def take_from_store(
    conn: AsyncConnection,
    fold: Fold,
    open_events: OpenEvents,
    *,
    stream_id: UUID,
    after_version: int = 0,
) -> LoggedEvent | None:
    """Apply what the store has after a version; the last event seen."""
    last: LoggedEvent | None = None
    while True:
        page = await read_stream_unbound(
            conn, stream_id, after_version=after_version, limit=EVENTS_PAGE
        )
        for event in await open_events(page):
            fold.take(event, read_fact(event))
        if page:
            last = page[-1]
            after_version = last.version
        if len(page) < EVENTS_PAGE:
            return last


async def _record_failure(
    conn: AsyncConnection, fold: Fold, last: LoggedEvent, error: Exception
) -> Replayed:
    projection, stream_id = fold.projection.table, last.stream_id
    event = fold.parked[stream_id].event if fold.parked else last
    text = error_text(error)
    await conn.execute(RECORD_ATTEMPT, (text, event.version, event.topic, projection, stream_id))
    stored = Fold(fold.projection)
    tables = Tables(fold.projection, projection)
    await (await tables.ask(conn, {(last.tenant_id, stream_id)}, set())).into(stored)
    return Replayed(projection, stream_id, stored.applied(last).version, text)
