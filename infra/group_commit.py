"""Group commit: appends of many callers share one transaction, because the commit is what costs.

    append() -> queue -> writer task -> one statement for everything queued -> each caller's future

An append that is likely to stay alone does not wait for the writer's turn of the event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from commands.ports import DuplicateCommand, PositionToken
from domain.errors import Stale, Unavailable
from infra.append_queue import AppendQueue
from infra.append_statement import Append
from infra.append_writer import AppendWriter
from infra.connections import Polling
from infra.crash_points import reach
from infra.logs import SLOW, told
from infra.metrics import METRICS

log = logging.getLogger(__name__)

# How often, in one timeout_s, overdue appends are looked for.
LOOKS_PER_TIMEOUT = 30
# Fewer are not divided among idle writers: a transaction more costs more than waiting less brings.
PART_APPENDS_MIN = 32


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
        self._idle: list[AppendWriter] = []
        self._was_alone = False
        self._storing: dict[AppendWriter, Sequence[Append]] = {}
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
            writer = self._idle.pop()
            if self._was_alone and not self._storing:
                writer.send(self._begin(writer))
            writer.woken.set()
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
        loop = asyncio.get_running_loop()
        writer = AppendWriter(self._conninfo, Polling(self._poll_s))
        try:
            while True:
                if not self._queue and writer not in self._storing:
                    await self._appended(writer)
                    continue
                batch = self._storing.get(writer) or self._begin(writer)
                began_at = loop.time()
                await writer.store(batch, began_at + self._timeout_s)
                del self._storing[writer]
                self._was_alone = writer.is_alone
                reach("append.after_answer")
                # Behind those whom this batch lets go on: what they store next is in the queue, or
                # sent, before anybody counts or reads what they have stored.
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

    async def _appended(self, writer: AppendWriter) -> None:
        """Something was, and nobody else was woken for it."""
        writer.woken.clear()
        self._idle.append(writer)
        try:
            await writer.woken.wait()
        finally:
            if writer in self._idle:  # Nobody writes any more.
                self._idle.remove(writer)

    def _begin(self, writer: AppendWriter) -> Sequence[Append]:
        batch = self._storing[writer] = self._take()
        writer.is_alone = len(batch) == len(self._storing) == 1
        return batch

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


def _fail_late(append: Append) -> None:
    append.fail(Unavailable("the event store did not answer in time"))
