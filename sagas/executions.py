"""The execution saga: it owns shards of executions and drives each one to its end.

    Created, Signalled, ... (log) ──┐
    begun in this process ──────────┼──► drive (sagas/drive.py) ──► ended, or let go until it is due
    due (sagas/timers.py) ──────────┤
    found when shards are assigned ─┘

The owner keeps the aggregate in memory and does not wait for its own events to come back. What
protects a run is the expected version of each append: a worker that was thought dead finds that
somebody else wrote, and lets go.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from commands.open_executions_port import OpenExecution, OpenExecutions
from commands.ports import Batch, Clock, Log, LoggedEvent, Start, partition_of
from domain.executions import Execution
from domain.identifiers import SHARDS_COUNT, Shard, TenantId, shard_of
from infra.causes import known_ids
from infra.crash_points import reach
from infra.event_codec import evolved
from infra.neighbours import WorkerCounts
from infra.payload_offloading import MARKER
from infra.tracing import current_traceparent
from sagas.attempt_watch import DriveWatch
from sagas.drive import Drive, DriveEnded, DriveParts
from sagas.start_queue import StartQueue
from sagas.timers import Timers

log = logging.getLogger(__name__)

GROUP = "executions"
PAGE = 500
SEARCH_PAUSE_S = 1.0
KNOWN_MAX = 20_000
# What somebody else than the owner writes, so that the owner has something to do.
TOPICS = frozenset(
    {
        "execution.created",
        "execution.signalled",
        "execution.approval_decided",
        "execution.child_ended",
        "execution.cancelled",
        "execution.compensation_started",
        "execution.paused",
        "execution.resumed",
        "execution.resolved",
        "execution.retried",
        "execution.upgraded",
        "execution.erased",
    }
)


@dataclass(eq=False)
class _Driven:
    partition: int
    drive: Drive
    task: asyncio.Task[None]
    watch: DriveWatch


@dataclass(eq=False)
class _Start:
    """begun: a run as its first event left it. wake_at: as it is stored. cause: the traceparent of
    what led to it.
    """

    partition: int
    tenant_id: TenantId
    execution_id: UUID
    begun: Execution | None
    wake_at: datetime | None
    cause: str | None


@dataclass(eq=False)
class ExecutionSaga:
    """Implements commands.ports.LogHandler. sweep_s: how often owned shards are searched for runs
    nobody drives. handover_s: how long attempts under way are waited for before their runs go to
    another worker.
    """

    log: Log
    open_executions: OpenExecutions
    parts: DriveParts
    clock: Clock
    sweep_s: float
    handover_s: float
    starts: "StartQueue[_Start]"
    _timers: Timers = field(init=False)
    _partitions: set[int] = field(default_factory=set[int])
    # By the number of the execution: to hash a UUID is a function of Python's.
    _driven: dict[int, _Driven] = field(default_factory=dict[int, _Driven])
    # How far runs are known that were let go of: their own events come back from the log.
    _known: OrderedDict[int, int] = field(default_factory=OrderedDict[int, int])
    _searches: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def __post_init__(self) -> None:
        self._timers = Timers(self.open_executions, self.clock, self._drive_due)
        self.parts.offer = self.offer

    def driven_count(self) -> int:
        return len(self._driven)

    def counts(self) -> WorkerCounts:
        slots = self.parts.attempts
        return WorkerCounts(
            attempts_in_flight=slots.in_flight,
            claims_waiting=slots.waiting_count,
            executions_driven=self.driven_count(),
            starts_waiting=len(self.starts),
        )

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        """Only what comes from now on is read from the log; everything older is found in
        open_executions.
        """
        return {partition: Start(from_end=True) for partition in partitions}

    async def started(self, partitions: Sequence[int]) -> None:
        self._partitions.update(partitions)
        reach("saga.after_assignment")
        self._search(list(partitions))

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        """Attempts under way come to their end and are recorded, for a call that is cut off is paid
        for and made again; nothing new begins. What takes too long is cut off.
        """
        self._partitions.difference_update(partitions)
        for execution_id in list(self.starts):
            if self._partition(execution_id) in partitions:
                self.starts.discard(execution_id)
        given_up = [one for one in self._driven.values() if one.partition in partitions]
        if not at_once and (ending := [one.task for one in given_up if one.drive.finish()]):
            await asyncio.wait(ending, timeout=self.handover_s)
        for driven in given_up:
            driven.task.cancel()
        await asyncio.gather(*(driven.task for driven in given_up), return_exceptions=True)

    async def handle(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for event in batch.events:
                if event.topic in TOPICS:
                    self._take(event)

    def offer(
        self, tenant_id: TenantId, execution: Execution, traceparent: str | None = None
    ) -> None:
        """This process has just stored events of it that its owner has to know of. A hint: the log
        brings them too. traceparent: of their append; what is under way when it is not known.
        """
        execution_id, version = execution.id, execution.version
        driven = self._driven.get(execution_id.int)
        if driven is not None:
            driven.drive.hear(version)
        elif not execution.is_ended and version > self._known.get(execution_id.int, 0):
            begun = execution if execution.status == "PENDING" else None
            cause = traceparent or current_traceparent()
            self._drive(tenant_id, execution_id, begun=begun, cause=cause)

    async def sweep(self) -> None:
        """Run until cancelled: a run that slipped through (a lost hint, an owner that let go) is
        found here.
        """
        while True:
            await self._sweep_pause()
            self.starts.search_begins()
            await self._adopt_ready(sorted(self._partitions))

    def released(self) -> None:
        """Tenants that were suspended are no more: their runs go on."""
        for driven in self._driven.values():
            driven.drive.look_again()
        self._search(sorted(self._partitions))

    async def wake_due(self) -> None:
        """Run until cancelled: what sleeps is woken in time."""
        await self._timers.run(lambda: self._shards(self._partitions))

    async def _sweep_pause(self) -> None:
        """Shorter when the queue ran low and something was left out of it."""
        for _ in range(max(1, round(self.sweep_s / SEARCH_PAUSE_S))):
            await asyncio.sleep(min(self.sweep_s, SEARCH_PAUSE_S))
            if self.starts.is_search_due:
                return

    def _take(self, event: LoggedEvent) -> None:
        driven = self._driven.get(event.stream_id.int)
        if driven is not None:
            driven.watch.hears(event.traceparent, is_news=event.version > driven.drive.version)
            driven.drive.hear(event.version)
        elif event.version > self._known.get(event.stream_id.int, 0):
            begun = None
            # A large input lies beside its event, and is read with the run.
            if event.topic == "execution.created" and MARKER not in event.state:
                begun = evolved(None, event)
                assert isinstance(begun, Execution)
                known_ids(begun).last = event.event_id.bytes
            self._drive(event.tenant_id, event.stream_id, begun=begun, cause=event.traceparent)

    async def _adopt_ready(self, partitions: Sequence[int]) -> None:
        shards = self._shards(partitions)
        after: UUID | None = None
        while shards:
            page = await self.open_executions.ready(shards, after=after, limit=PAGE)
            for found in page:
                self._drive(found.tenant_id, found.execution_id)
            if len(page) < PAGE:
                return
            after = page[-1].execution_id

    def _shards(self, partitions: Sequence[int] | set[int]) -> list[int]:
        return [
            shard
            for shard in range(SHARDS_COUNT)
            if partition_of(Shard(shard), self.log.partitions_count) in partitions
        ]

    def _drive_due(self, due: OpenExecution) -> None:
        self._drive(due.tenant_id, due.execution_id, wake_at=due.wake_at)

    def _drive(
        self,
        tenant_id: TenantId,
        execution_id: UUID,
        *,
        begun: Execution | None = None,
        wake_at: datetime | None = None,
        cause: str | None = None,
    ) -> None:
        partition = self._partition(execution_id)
        if execution_id.int in self._driven or partition not in self._partitions:
            return
        if self.parts.is_held(tenant_id):
            return  # `released` looks for it.
        start = _Start(partition, tenant_id, execution_id, begun, wake_at, cause)
        if self.starts.try_take(tenant_id):
            self._begin(start)
        else:
            self.starts.put(tenant_id, execution_id, start)
            self._begin_waiting()

    def _begin_waiting(self) -> None:
        while (start := self.starts.take()) is not None:
            self._begin(start)

    def _begin(self, start: "_Start") -> None:
        partition, tenant_id, execution_id = start.partition, start.tenant_id, start.execution_id
        if partition not in self._partitions or not self.log.is_owned(GROUP, partition):
            # A lease that ran out while this process stood still; its owner finds the run.
            self.starts.done(tenant_id)
            return
        drive = Drive(self.parts, tenant_id, execution_id, begun=start.begun, wake_at=start.wake_at)
        watch = DriveWatch(tenant_id, execution_id, start.cause)
        task = asyncio.create_task(watch.driven(drive.run))
        self._driven[execution_id.int] = _Driven(partition, drive, task, watch)
        task.add_done_callback(partial(self._drive_ended, start))

    def _drive_ended(self, start: "_Start", task: asyncio.Task[None]) -> None:
        execution_id = start.execution_id
        drive = self._driven.pop(execution_id.int).drive
        self.starts.done(start.tenant_id)
        self._begin_waiting()
        if task.cancelled():
            return
        error = task.exception()
        match error:
            case None:
                self._let_go(start.tenant_id, execution_id, drive)
                if drive.has_news:
                    self._drive(start.tenant_id, execution_id)
            case DriveEnded():
                log.warning("execution %s: %s; the sweep looks again", execution_id, error)
            case _:
                log.error("execution %s: the drive broke off", execution_id, exc_info=error)

    def _let_go(self, tenant_id: TenantId, execution_id: UUID, drive: Drive) -> None:
        self._known[execution_id.int] = drive.version
        self._known.move_to_end(execution_id.int)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        if drive.wake_at is not None:
            self._timers.hold(OpenExecution(tenant_id, execution_id, drive.wake_at))
            reach("saga.after_let_go")

    def _search(self, partitions: Sequence[int]) -> None:
        search = asyncio.create_task(self._adopt_ready(partitions))
        self._searches.add(search)
        search.add_done_callback(self._search_ended)

    def _search_ended(self, task: asyncio.Task[None]) -> None:
        self._searches.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "searching open executions failed; the sweep repeats it", exc_info=task.exception()
            )

    def _partition(self, execution_id: UUID) -> int:
        return partition_of(shard_of(execution_id), self.log.partitions_count)
