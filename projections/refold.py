"""A stream that says that its data subject is erased is folded anew, from its first event: what its
rows said before was read with a key that is gone.

The events of before are read without what was personal in them, so that afterwards the rows are
what a rebuild would make of them.
"""

from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from infra.event_sealing import OpenEvents
from projections.dead_letters import RELEASE, record_parked, take_from_store
from projections.fold import Fold
from projections.positions import take_positions_of_shard
from projections.rows import UNWRITABLE, Tables, row_documents, stream_documents
from projections.table import AnyProjection


async def refold(
    conn: AsyncConnection, projection: AnyProjection, open_events: OpenEvents, stream_id: UUID
) -> None:
    """Twice is once. conn: projector, in autocommit. A stream that cannot be folded any more is
    parked, with what could be.
    """
    fold = Fold(projection)
    last = await take_from_store(conn, fold, open_events, stream_id=stream_id)
    if last is None:
        return
    try:
        await _replace(conn, fold, open_events, last)
    except UNWRITABLE as error:
        empty = Fold(projection)
        empty.park(last, error)
        await _replace(conn, empty, open_events, last)


async def _replace(
    conn: AsyncConnection, fold: Fold, open_events: OpenEvents, last: LoggedEvent
) -> None:
    """Put the fold in the place of the stream's rows, while no projector writes any."""
    table, stream_id = fold.projection.table, last.stream_id
    async with conn.transaction():
        await take_positions_of_shard(conn, table, last.shard)
        await take_from_store(
            conn, fold, open_events, stream_id=stream_id, after_version=last.version
        )
        tables = Tables(fold.projection, table)
        await tables.delete_stream(conn, last.tenant_id, stream_id)
        for document in row_documents(fold):
            await tables.write_rows(conn, document)
        for document in stream_documents(fold):
            await tables.write_streams(conn, document)
        await conn.execute(RELEASE, (table, stream_id))
        await record_parked(conn, fold.projection, fold.parked)
