"""Building a projection anew beside the old one, and swapping them while everything else goes on.

    create <table>_rebuild -> fold the log page by page -> positions, what is left, rename
                              readers: the old table       one short transaction: all wait for it

The new table may come out ahead of the positions, when the live projector lags: the versions of its
streams come with it, so the projector skips what is applied. Nothing here keeps a write transaction
open for long, for that would hold back every reader of the log.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import AsyncConnection, sql

from commands.ports import LoggedEvent, Position
from domain.errors import Refused
from infra.crash_points import reach
from infra.event_codec import TOPICS
from infra.event_log import BEGINNING, COLUMNS, logged_event, read_end
from infra.event_sealing import OpenEvents
from projections.dead_letters import record_parked
from projections.long_fold import LongFold
from projections.positions import take_positions
from projections.rollups import rollup_triggers, without_rollup
from projections.rows import Tables
from projections.table import AnyProjection

PAGE_EVENTS = 2000
# A round over what was appended meanwhile that takes less than this leaves little for the swap.
LAST_ROUND_S = 0.1
ROUNDS_MAX = 1000
# Shorter than deadlock_timeout, so that in a tie it is the rebuild that steps back.
LOCK_TIMEOUT_MS = 200
SWAPS_MAX = 50
PROGRESS_S = 1.0
LOCK_CLASS = 0x6167_6C62  # "aglb": one rebuild of a projection at a time.

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class RebuildRunning(Refused):
    """This projection is being rebuilt by another process."""


@dataclass(frozen=True, slots=True)
class Progress:
    """events_total: counted at the start; what is appended meanwhile comes on top."""

    events_done: int
    events_total: int
    elapsed_s: float

    @property
    def remaining_s(self) -> float | None:
        """An estimate, None before the first event."""
        if not self.events_done:
            return None
        left = max(0, self.events_total - self.events_done)
        return self.elapsed_s * left / self.events_done


@dataclass(frozen=True, slots=True)
class Rebuilt:
    projection: str
    events_count: int
    parked_count: int
    elapsed_s: float


# fmt: off
OF_THE_PROJECTION: LiteralString = (
    " (topic = ANY(%(topics)s) OR topic <> ALL(%(known_topics)s))"
    " AND (era, tx_id, notification_id) < (%(until_era)s, %(until_tx)s::text::xid8, %(until_id)s)"
)
COUNT: LiteralString = "SELECT count(*) FROM agentledger.events WHERE" + OF_THE_PROJECTION
READ: LiteralString = (
    # Qualified: a bare tx_id would be the number among the columns, which no index sorts by.
    "SELECT " + COLUMNS + " FROM agentledger.events AS e"
    " WHERE (era, tx_id, notification_id) > (%(era)s, %(tx)s::text::xid8, %(id)s)"
    " AND" + OF_THE_PROJECTION + " ORDER BY e.era, e.tx_id, e.notification_id LIMIT %(limit)s"
)
REPORT: LiteralString = (
    "INSERT INTO agentledger.projection_rebuilds (projection, events_done, events_total)"
    " VALUES (%s, %s, %s) ON CONFLICT (projection) DO UPDATE"
    "  SET events_done = EXCLUDED.events_done,"
    "  events_total = EXCLUDED.events_total, updated_at = clock_timestamp()"
)
END_REPORT: LiteralString = "DELETE FROM agentledger.projection_rebuilds WHERE projection = %s"
FORGET_LETTERS: LiteralString = "DELETE FROM agentledger.dead_letters WHERE projection = %s"
# fmt: on


async def rebuild(
    projection: AnyProjection,
    connect: Connect,
    open_events: OpenEvents,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> Rebuilt:
    """connect: connections in autocommit that may take the role agentledger_owner; two are used.

    Parked streams are tried again and parked again if they must be. Raises RebuildRunning.
    """
    async with connect() as reader, connect() as writer:
        for conn in (reader, writer):
            await conn.execute("SET ROLE agentledger_owner")
            await conn.execute("SET synchronous_commit = off")
            await conn.execute("SET jit = off")
        locked = await writer.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LOCK_CLASS, projection.table)
        )
        if await locked.fetchone() != (True,):
            raise RebuildRunning
        try:
            return await _Rebuild(
                projection, reader, writer, open_events=open_events, on_progress=on_progress
            ).run()
        finally:
            if not writer.broken:
                await writer.execute(END_REPORT, (projection.table,))
                await writer.execute(
                    "SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOCK_CLASS, projection.table)
                )


class _Rebuild:
    """mark: everything of the projection before this place is folded."""

    def __init__(
        self,
        projection: AnyProjection,
        reader: AsyncConnection,
        writer: AsyncConnection,
        *,
        open_events: OpenEvents,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._projection = projection
        self._reader = reader
        self._writer = writer
        self._on_progress = on_progress
        self._live = Tables(projection, projection.table)
        self._fresh = Tables(projection, f"{projection.table}_rebuild")
        self._fold = LongFold(self._fresh, writer, open_events)
        self._mark = BEGINNING
        self._events_done = 0
        self._events_total = 0
        self._started_at = time.monotonic()
        self._reported_at = 0.0

    async def run(self) -> Rebuilt:
        try:
            return await self._run()
        finally:
            await self._fold.cancel()

    async def _run(self) -> Rebuilt:
        async with self._writer.transaction():
            await self._drop(self._fresh)
            await self._fresh.create(self._writer)
        reach("rebuild.after_create")
        end = await read_end(self._reader)
        self._events_total = await self._count(end)
        await self._report()
        await self._fold_until(end)
        await self._fold.write_all()
        self._fold.looks_back = True
        await self._writer.execute(sql.SQL("ANALYZE {}").format(self._fresh.rows))
        await self._catch_up()
        await self._swap()
        await self._report()
        return Rebuilt(
            self._projection.table,
            self._events_done,
            len(self._fold.parked),
            time.monotonic() - self._started_at,
        )

    async def _catch_up(self) -> None:
        """Round after round over what was appended during the last one, until a round is short."""
        for _ in range(ROUNDS_MAX):
            began_at = time.monotonic()
            await self._fold_until(await read_end(self._reader))
            await self._fold.write_all()
            if time.monotonic() - began_at < LAST_ROUND_S:
                return

    async def _fold_until(self, end: Position) -> None:
        page = await self._read(self._reader, self._mark, end, limit=PAGE_EVENTS)
        while len(page) == PAGE_EVENTS:
            # The server looks for the next page while this one is folded.
            following = asyncio.create_task(
                self._read(self._reader, page[-1].position, end, limit=PAGE_EVENTS)
            )
            await asyncio.sleep(0)
            try:
                await self._take(page, self._reader)
            except BaseException:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                raise
            page = await following
        await self._take(page, self._reader)
        self._mark = end

    async def _take(self, page: Sequence[LoggedEvent], reader: AsyncConnection) -> None:
        await self._fold.take(page, reader)
        self._events_done += len(page)
        if time.monotonic() - self._reported_at >= PROGRESS_S:
            await self._report()

    async def _swap(self) -> None:
        for _ in range(SWAPS_MAX):
            try:
                async with self._writer.transaction():
                    await self._swap_now()
                    reach("rebuild.before_swap")
            except psycopg.errors.LockNotAvailable:
                await self._catch_up()
            else:
                reach("rebuild.after_swap")
                return
        raise Refused(f"{self._live.name} was never free for {LOCK_TIMEOUT_MS} ms to be swapped")

    async def _swap_now(self) -> None:
        """Every lock comes before the fold goes on, so that a refused lock has changed nothing."""
        conn = self._writer
        await conn.execute(
            sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT_MS))
        )
        await conn.execute("SET LOCAL synchronous_commit = on")
        furthest = await take_positions(conn, self._projection.table)
        await self._lock_live()
        if self._mark <= furthest:
            end = await read_end(conn)
            await self._take(await self._read(conn, self._mark, end, limit=None), conn)
            self._mark = end
            await self._fold.write_all()
        await self._drop(self._live)
        for fresh, name in zip(self._fresh.names, self._live.names, strict=True):
            await conn.execute(
                sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                    sql.Identifier("agentledger", fresh), sql.Identifier(name)
                )
            )
        for rollup in self._projection.rollups:
            for statement in rollup_triggers(self._live.name, rollup):
                await conn.execute(statement)
            await conn.execute(without_rollup(self._fresh.name, rollup))
        await conn.execute(FORGET_LETTERS, (self._projection.table,))
        await record_parked(conn, self._projection, self._fold.parked)

    async def _lock_live(self) -> None:
        found = await self._writer.execute(
            "SELECT to_regclass(%s)", (self._live.streams.as_string(None),)
        )
        if await found.fetchone() != (None,):
            # In the order in which the projector reads them.
            await self._writer.execute(
                sql.SQL("LOCK TABLE {}, {} IN ACCESS EXCLUSIVE MODE").format(
                    self._live.streams, self._live.rows
                )
            )

    async def _drop(self, tables: Tables) -> None:
        names = [sql.Identifier("agentledger", name) for name in tables.names]
        await self._writer.execute(
            sql.SQL("DROP TABLE IF EXISTS {}").format(sql.SQL(", ").join(names))
        )
        for rollup in self._projection.rollups:
            await self._writer.execute(without_rollup(tables.name, rollup))

    async def _count(self, end: Position) -> int:
        row = await (await self._reader.execute(COUNT, self._which(end))).fetchone()
        assert row is not None
        return int(row[0])

    async def _read(
        self,
        conn: AsyncConnection,
        after: Position,
        end: Position,
        *,
        limit: int | None,
    ) -> list[LoggedEvent]:
        place = {"era": after.era, "tx": str(after.tx_id), "id": after.notification_id}
        cursor = conn.cursor(binary=True)
        await cursor.execute(READ, {**place, **self._which(end), "limit": limit}, prepare=True)
        return [logged_event(row) for row in await cursor.fetchall()]

    def _which(self, end: Position) -> dict[str, object]:
        return {
            "topics": list(self._projection.stream_topics),
            "known_topics": list(TOPICS),
            "until_era": end.era,
            "until_tx": str(end.tx_id),
            "until_id": end.notification_id,
        }

    async def _report(self) -> None:
        self._reported_at = time.monotonic()
        progress = Progress(
            self._events_done, self._events_total, self._reported_at - self._started_at
        )
        await self._writer.execute(
            REPORT, (self._projection.table, progress.events_done, progress.events_total)
        )
        if self._on_progress is not None:
            self._on_progress(progress)
