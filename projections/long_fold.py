"""A fold over more history than fits in memory: each part is written while the next is folded.

Only for events that come once, in commit order and without gaps: straight from the store.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from infra.crash_points import reach
from infra.event_codec import TOPICS
from infra.event_log import read_stream_unbound
from infra.event_sealing import OpenEvents
from infra.personal_members import ERASED_TOPICS
from projections.fold import Fact, Fold, Parked, read_fact
from projections.rows import UNWRITABLE, Tables, row_documents, stream_documents

# Rows and payload of one part; two parts are in memory.
PART_ROWS_MAX = 20_000
PART_BYTES_MAX = 32 * 1024 * 1024
# One statement's share of them. Each is a transaction of its own, so that none is long.
WRITE_ROWS_MAX = 1000
WRITE_BYTES_MAX = 1024 * 1024
STREAM_PAGE = 500


class LongFold:
    """parked: complete once `write_all` has returned. writer: nobody else may use it meanwhile.
    looks_back: whether streams that say that they are erased may have been read before with the key
    that is gone; then they are folded anew.
    """

    def __init__(self, tables: Tables, writer: AsyncConnection, open_events: OpenEvents) -> None:
        self._open_events = open_events
        self.parked: dict[UUID, Parked] = {}
        self.looks_back = False
        self._erased: set[UUID] = set()
        self._tables = tables
        self._writer = writer
        self._part = Fold(tables.projection)
        self._part_bytes = 0
        # All rows of these streams are in memory, for they began in this part or the one before.
        self._begun: set[UUID] = set()
        self._begun_before: set[UUID] = set()
        # Ends with the streams whose rows the database refused.
        self._writing: asyncio.Task[set[UUID]] | None = None

    async def take(self, page: Sequence[LoggedEvent], reader: AsyncConnection) -> None:
        """reader: where what was written long ago is looked up."""
        topics = self._tables.projection.topics
        page = await self._open_events(page)
        facts: list[tuple[LoggedEvent, Fact]] = [
            (e, read_fact(e) if e.topic in topics or e.topic not in TOPICS else None) for e in page
        ]
        await self._look_up(facts, reader)
        for event, fact in facts:
            self._part.take(event, fact)
        if self.looks_back:
            self._erased.update(e.stream_id for e in page if e.topic in ERASED_TOPICS)
        self._part_bytes += sum(len(event.state) for event in page)
        if len(self._part.rows) >= PART_ROWS_MAX or self._part_bytes >= PART_BYTES_MAX:
            await self._begin_part()

    async def write_all(self) -> None:
        await self._begin_part()
        await self._finish_writing()
        while self._erased:
            await self._set_apart(self._erased.pop())
        if self._part.streams:  # Streams that were set apart while the last part was written.
            await self.write_all()

    async def cancel(self) -> None:
        """Leave nothing running behind."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _look_up(
        self, facts: Sequence[tuple[LoggedEvent, Fact]], reader: AsyncConnection
    ) -> None:
        """Fetch what is not in memory any more of the streams that go on."""
        self._begun.update(event.stream_id for event, _ in facts if event.version == 1)
        old = [
            (event, fact)
            for event, fact in facts
            if event.stream_id not in self._begun and event.stream_id not in self._begun_before
        ]
        if not old:
            return
        part = self._part
        known = part.streams.keys() | part.stored_streams.keys()
        streams = {(event.tenant_id, event.stream_id) for event, _ in old}
        missing = {(tenant, stream) for tenant, stream in streams if stream not in known}
        keys = part.keys(old) - part.rows.keys() - part.stored_rows.keys()
        await (await self._tables.ask(reader, missing, keys)).into(part)

    async def _begin_part(self) -> None:
        """Write what changed while the next part is folded, which finds it in memory."""
        await self._finish_writing()
        written = self._part
        self.parked.update(written.parked)
        self._writing = asyncio.create_task(self._write(written))
        self._part = Fold(self._tables.projection)
        self._part.stored_streams = dict(written.streams)
        self._part.stored_rows = dict(written.rows)
        self._begun, self._begun_before = set(), self._begun
        self._part_bytes = 0

    async def _finish_writing(self) -> None:
        if self._writing is not None:
            refused, self._writing = await self._writing, None
            for stream_id in refused:
                await self._set_apart(stream_id)

    async def _write(self, part: Fold) -> set[UUID]:
        refused: set[UUID] = set()
        for document in row_documents(part, rows_max=WRITE_ROWS_MAX, bytes_max=WRITE_BYTES_MAX):
            if await self._refusal(document) is not None:
                for row in orjson.loads(document):
                    if await self._refusal(orjson.dumps([row]).decode()) is not None:
                        refused.add(UUID(row[self._tables.projection.stream_column]))
        for document in stream_documents(part, rows_max=WRITE_ROWS_MAX):
            await self._tables.write_streams(self._writer, document)
        return refused

    async def _refusal(self, document: str) -> Exception | None:
        """Write rows; what the database has against them."""
        try:
            async with self._writer.transaction():
                await self._tables.write_rows(self._writer, document)
                reach("rebuild.before_page")
        except UNWRITABLE as error:
            return error
        reach("rebuild.after_page")
        return None

    async def _set_apart(self, stream_id: UUID) -> None:
        """Write a stream again, event by event up to the one that is refused, and park it there."""
        apart = Fold(self._tables.projection)
        after_version = 0
        while not apart.parked:
            page = await read_stream_unbound(
                self._writer, stream_id, after_version=after_version, limit=STREAM_PAGE
            )
            if after_version == 0:
                await self._tables.delete_stream(self._writer, page[0].tenant_id, stream_id)
            for event in await self._open_events(page):
                before = apart.applied(event)
                apart.take(event, read_fact(event))
                for document in row_documents(apart):
                    error = await self._refusal(document)
                    if error is not None and not apart.parked:
                        apart.streams[stream_id] = before
                        apart.park(event, error)
                apart.stored_rows |= apart.rows
                apart.rows.clear()
            if len(page) < STREAM_PAGE:
                break
            after_version = page[-1].version
        self._forget_rows(stream_id)
        self._part.streams |= apart.streams
        self.parked |= apart.parked

    def _forget_rows(self, stream_id: UUID) -> None:
        column = self._tables.projection.stream_column
        for rows in (self._part.rows, self._part.stored_rows):
            for key in [key for key, row in rows.items() if row[column] == stream_id]:
                del rows[key]
