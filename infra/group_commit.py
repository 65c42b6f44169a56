"""Group commit: appends of many callers share one transaction, because the commit is what costs.

    append() -> queue -> writer task -> one statement for everything queued -> each caller's future

A batch that fails is halved and tried again until the append that failed stands alone, so only its
caller hears of it. When the connection breaks the outcome is unknown: the writer looks for its own
event ids at their places and appends only what is not there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import LiteralString
from uuid import UUID

from psycopg import DatabaseError, OperationalError
from psycopg.errors import UniqueViolation

from commands.ports import DuplicateCommand, PositionToken
from domain.errors import Stale, Unavailable
from infra.append_queue import AppendQueue
from infra.append_statement import Append, Stored, append_query, stored_at
from infra.blob_statement import store_blobs
from infra.budget_moves import CHANGED_SQLSTATE, EXCEEDED_SQLSTATE
from infra.connections import Connection, Polling
from infra.crash_points import reach
from infra.logs import SLOW, told
from infra.metrics import METRICS
from infra.prepared_statements import PreparedStatements
from infra.refused_appends import refusal_of, refuse_over_budget
from infra.side_rows import SideStatement

log = logging.getLogger(__name__)

RECONNECT_MIN_S = 0.05
RECONNECT_MAX_S = 1.0
# How often, in one timeout_s, overdue appends are looked for.
LOOKS_PER_TIMEOUT = 30
# Fewer are not divided among idle writers: a transaction more costs more than waiting less brings.
PART_APPENDS_MIN = 32

# Left to choose, PostgreSQL may plan an append anew each time: half of what it costs then. One
# plan for all must not read a whole table because that was small when it was made.
PLANS: LiteralString = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false)
"""
FIND_APPENDED: LiteralString = """
SELECT event_id, era, tx_id::text::bigint, notification_id FROM events
 WHERE originator_id = ANY(%b) AND event_id = ANY(%b)
"""


class AppendQueueFull(Unavailable):
    """Too many appends are waiting for the database, or too many of this tenant; try again."""


class GroupCommit:
    """writers: how many transactions may be committing at once. Bounds: events and bytes of a
    batch, appends waiting. poll_s: how long the answer to an append that is alone is polled for.
    """

    def __init__(  # the bounds of the queue, all named
        self,
        conninfo: str,
        *,
        writers: int,
        batch_events_max: int,
        batch_bytes_max: int,
        queue_max: int,
        timeout_s: float,
        poll_s: float,
        on_appended: Callable[[], None],
    ) -> None:
        self._conninfo = conninfo
        self._writers = writers
        self._batch_events_max = batch_events_max
        self._batch_bytes_max = batch_bytes_max
        self._timeout_s = timeout_s
        self._poll_s = poll_s
        self._on_appended = on_appended
        self._queue = AppendQueue(queue_max)
        # Who was at work last goes on first: what the server's process for it needs is in a cache.
        self._idle: list[asyncio.Event] = []
        self._storing: dict[_Writer, Sequence[Append]] = {}
        self._watch: asyncio.TimerHandle | None = None
        METRICS.store.queue_depth.set_function(self.waiting_count)
        self.batches_count = 0
        self.events_count = 0

    def append(self, append: Append) -> asyncio.Future[PositionToken | None]:
        """Raises AppendQueueFull. Who waits for the answer hears Stale, DuplicateCommand, or
        Unavailable when the outcome could not be learnt in time; who is cancelled meanwhile cancels
        no more than the waiting: the batch goes on.
        """
        loop = asyncio.get_running_loop()
        stored = append.stored = loop.create_future()
        append.overdue_at = loop.time() + self._timeout_s
        if not self._queue.put(append):
            raise AppendQueueFull
        if self._idle:
            self._idle.pop().set()
        if self._watch is None:
            self._watch = loop.call_later(self._timeout_s / LOOKS_PER_TIMEOUT, self._fail_overdue)
        return stored

    async def run(self) -> None:
        """Run the writers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._writers):
                tasks.create_task(self._write_for_ever())

    def waiting_count(self) -> int:
        return len(self._queue)

    def storing_count(self) -> int:
        return sum(len(batch) for batch in self._storing.values())

    def _fail_overdue(self) -> None:
        """One timer for all appends, because a timeout for each costs more than the append. It
        runs while anything waits.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for append in self._queue.take_overdue(now):
            _fail_late(append)
        for batch in self._storing.values():
            for append in batch:
                if append.overdue_at <= now:
                    _fail_late(append)
        self._watch = None
        if self._queue or self._storing:
            self._watch = loop.call_later(self._timeout_s / LOOKS_PER_TIMEOUT, self._fail_overdue)

    async def _write_for_ever(self) -> None:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        writer = _Writer(self._conninfo, Polling(self._poll_s))
        try:
            while True:
                if not self._queue:
                    await self._appended(woken)
                    continue
                batch = self._storing[writer] = self._take()
                writer.is_alone = len(batch) == len(self._storing) == 1
                began_at = loop.time()
                await writer.store(batch, began_at + self._timeout_s)
                del self._storing[writer]
                reach("append.after_answer")
                # Behind those whom this batch lets go on: what they store next is sent before
                # anybody counts or reads what they have stored.
                loop.call_soon(self._ended, batch, loop.time() - began_at)
        finally:
            for append in self._storing.pop(writer, ()):
                _fail_late(append)
            await writer.close()

    def _ended(self, batch: Sequence[Append], seconds: float) -> None:
        self.batches_count += 1
        self.events_count += sum(len(append.events) for append in batch)
        _count(batch, seconds)
        self._on_appended()

    async def _appended(self, woken: asyncio.Event) -> None:
        """Something was, and nobody else was woken for it."""
        woken.clear()
        self._idle.append(woken)
        try:
            await woken.wait()
        finally:
            if woken in self._idle:  # Nobody writes any more.
                self._idle.remove(woken)

    def _take(self) -> list[Append]:
        """What this writer stores next: of many appends a part only, while others are idle too."""
        idle = self._writers - len(self._storing)
        part = max(PART_APPENDS_MIN, -(-len(self._queue) // idle))
        return self._queue.take(part, self._batch_events_max, self._batch_bytes_max)


def _count(batch: Sequence[Append], seconds: float) -> None:
    """Once for a batch, for a counter has a lock: nearly all of them were stored."""
    metrics = METRICS.store
    events_count = stored_count = 0
    for append in batch:
        match append.refusal:
            case None:
                stored_count += 1
                events_count += len(append.events)
            case Stale():
                metrics.appends.labels("conflict").inc()
                metrics.conflicts.inc()
            case DuplicateCommand():
                metrics.appends.labels("duplicate").inc()
            case _:
                metrics.appends.labels("failed").inc()
    metrics.appends_stored.inc(stored_count)
    metrics.events.inc(events_count)
    metrics.batch_seconds.observe(seconds)
    if 0 < SLOW.query_s < seconds:
        extra = told("slow_append", appends=len(batch), seconds=round(seconds, 3))
        log.warning("storing %d appends took %.1f s", len(batch), seconds, extra=extra)


def _sql_of(statement: SideStatement) -> LiteralString:
    return statement.sql


def _fail_late(append: Append) -> None:
    append.fail(Unavailable("the event store did not answer in time"))


class _Writer:
    """One connection that stores batches. Nothing before the append assigns a transaction id.

    is_alone: nothing else is being stored.
    """

    def __init__(self, conninfo: str, polling: Polling) -> None:
        self._conninfo = conninfo
        self._polling = polling
        self.is_alone = False
        self._conn: Connection | None = None
        self._statements: PreparedStatements

    async def store(self, batch: Sequence[Append], deadline: float) -> None:
        """Every append of the batch is resolved when this returns."""
        is_outcome_unknown = False
        delay_s = RECONNECT_MIN_S
        while True:
            try:
                conn = await self._connected()
                if is_outcome_unknown:
                    batch = await self._without_stored(conn, batch)
                if batch:
                    await self._store_or_halve(conn, batch)
            except OperationalError as error:
                is_outcome_unknown = True
                await self.close()
                if asyncio.get_running_loop().time() + delay_s > deadline:
                    for append in batch:
                        append.fail(Unavailable("the event store cannot be reached"))
                    return
                log.warning("append: connection lost, looking what was stored: %s", error)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RECONNECT_MAX_S)
            except DatabaseError as error:
                log.exception("append: the database refused the statement")
                for append in batch:
                    append.fail(error)
                return
            else:
                return

    async def close(self) -> None:
        if self._conn is not None:
            conn, self._conn = self._conn, None
            await conn.close()

    async def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = await Connection.connect(
                self._conninfo, autocommit=True, prepare_threshold=None
            )
            await self._conn.execute(PLANS)
            self._statements = PreparedStatements(self._conn)
        return self._conn

    async def _store_or_halve(self, conn: Connection, batch: Sequence[Append]) -> None:
        try:
            await self._insert(conn, batch)
        except OperationalError:
            raise
        except DatabaseError as error:
            if error.sqlstate in (EXCEEDED_SQLSTATE, CHANGED_SQLSTATE):
                # It says whose they are: the others are stored with one statement more.
                if rest := refuse_over_budget(batch, error):
                    await self._store_or_halve(conn, rest)
                return
            if len(batch) == 1:
                await self._refuse(conn, batch[0], error)
                return
            middle = len(batch) // 2
            await self._store_or_halve(conn, batch[:middle])
            await self._store_or_halve(conn, batch[middle:])

    async def _insert(self, conn: Connection, batch: Sequence[Append]) -> None:
        query, params = append_query(batch)
        reach("append.before_statement")
        if any(append.rare or append.blobs for append in batch):
            async with conn.transaction():
                result = await self._statements.execute(query, params)
                await store_blobs(conn, batch)
                rare = [statement for append in batch for statement in append.rare]
                for sql, alike in groupby(rare, key=_sql_of):
                    # Those of one batch are sent together.
                    await conn.cursor().executemany(sql, [one.params for one in alike])
                reach("append.in_transaction")
        else:
            polling = self._polling if self.is_alone else None
            result = await self._statements.execute(query, params, polling=polling)
        reach("append.after_commit")
        stored, place = stored_at(result), 0
        for append in batch:
            append.succeed(stored, place)
            place += len(append.events)

    async def _refuse(self, conn: Connection, append: Append, error: DatabaseError) -> None:
        """Alone and refused: perhaps it was stored by an earlier try whose acknowledgement got
        lost.
        """
        if (refusal := refusal_of(error)) is not None:
            append.fail(refusal)
            return
        if not isinstance(error, UniqueViolation):
            append.fail(error)
            return
        if not await self._without_stored(conn, [append]):
            return
        if error.diag.constraint_name == "commands_pkey":
            append.fail(DuplicateCommand())
        else:
            append.fail(Stale())

    async def _without_stored(self, conn: Connection, batch: Sequence[Append]) -> list[Append]:
        """Resolves the appends whose events are in the log already; returns the others."""
        rows = [row for append in batch for row in append.events]
        streams = [UUID(bytes=row[0]) for row in rows]
        event_ids = [UUID(bytes=row[4]) for row in rows]
        cursor = conn.cursor(binary=True)
        await cursor.execute(FIND_APPENDED, (streams, event_ids))
        found = {row[0].bytes: (row[1], row[2], row[3]) for row in await cursor.fetchall()}
        missing: list[Append] = []
        for append in batch:
            places = [found.get(row[4]) for row in append.events]
            if append.stored.done():
                continue
            if places and all(place is not None for place in places):
                stored = [place for place in places if place is not None]
                era, tx_id, _ = stored[0]
                append.succeed(Stored(era, tx_id, [place[2] for place in stored]))
            else:
                missing.append(append)
        return missing
