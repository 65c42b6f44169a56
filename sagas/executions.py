"""The execution saga: it owns shards of executions and drives each one to its end.

    Created ──► load ──► advance ──► append ──► perform attempts ──► record outcomes ──► advance ...
                  ▲                     │ Stale: somebody else wrote; load again
                  └─────────────────────┘

The owner keeps the aggregate in memory and does not wait for its own events to come back. Intent is
stored before an effect starts, the outcome after it, together with the next intent. What protects a
run is the expected version of each append: a worker that was thought dead finds that somebody else
wrote, and lets go.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.ports import (
    Batch,
    Clock,
    Log,
    LoggedEvent,
    OpenExecutions,
    Start,
    partition_of,
)
from domain.identifiers import SHARDS_COUNT, Shard, TenantId, shard_of
from sagas.drive import Drive, DriveEnded, DriveParts

log = logging.getLogger(__name__)

GROUP = "executions"
PAGE = 500
ADOPTIONS_MAX = 64


@dataclass(eq=False)
class _Driven:
    drive: Drive
    task: asyncio.Task[None]


@dataclass(eq=False)
class ExecutionSaga:
    """Implements commands.ports.LogHandler. sweep_s: how often owned shards are searched for runs
    nobody drives.
    """

    log: Log
    open_executions: OpenExecutions
    parts: DriveParts
    clock: Clock
    sweep_s: float
    _partitions: set[int] = field(default_factory=set[int])
    _driven: dict[UUID, _Driven] = field(default_factory=dict[UUID, _Driven])
    _searches: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def driven_count(self) -> int:
        return len(self._driven)

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        """Only what comes from now on is read from the log; everything older is found in
        open_executions.
        """
        return {partition: Start(from_end=True) for partition in partitions}

    async def started(self, partitions: Sequence[int]) -> None:
        self._partitions.update(partitions)
        search = asyncio.create_task(self._adopt_open(list(partitions)))
        self._searches.add(search)
        search.add_done_callback(self._search_ended)

    async def revoked(self, partitions: Sequence[int]) -> None:
        self._partitions.difference_update(partitions)
        given_up = [
            driven
            for execution_id, driven in self._driven.items()
            if self._partition(execution_id) in partitions
        ]
        for driven in given_up:
            driven.task.cancel()
        await asyncio.gather(*(driven.task for driven in given_up), return_exceptions=True)

    async def handle(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for event in batch.events:
                if event.topic == "execution.created":
                    self._drive(event.tenant_id, event.stream_id, event)
                elif event.topic.startswith("execution.") and event.actor != self.parts.actor:
                    driven = self._driven.get(event.stream_id)
                    if driven is not None:
                        driven.drive.hear(event.version)

    async def sweep(self) -> None:
        """Run until cancelled: a run that slipped through (a lost hint, an owner that let go) is
        found here.
        """
        while True:
            await asyncio.sleep(self.sweep_s)
            await self._adopt_open(sorted(self._partitions))

    async def _adopt_open(self, partitions: Sequence[int]) -> None:
        shards = [
            shard
            for shard in range(SHARDS_COUNT)
            if partition_of(Shard(shard), self.log.partitions_count) in partitions
        ]
        after: UUID | None = None
        while shards:
            page = await self.open_executions.of_shards(shards, after=after, limit=PAGE)
            for found in page:
                self._drive(found.tenant_id, found.execution_id, None)
            if len(page) < PAGE:
                return
            after = page[-1].execution_id

    def _drive(self, tenant_id: TenantId, execution_id: UUID, created: LoggedEvent | None) -> None:
        partition = self._partition(execution_id)
        if execution_id in self._driven or partition not in self._partitions:
            return
        if not self.log.is_owned(GROUP, partition):
            return  # A lease that ran out while this process stood still; its owner finds the run.
        drive = Drive(self.parts, tenant_id, execution_id, created)
        task = asyncio.create_task(drive.run())
        self._driven[execution_id] = _Driven(drive, task)
        task.add_done_callback(lambda ended: self._drive_ended(execution_id, ended))

    def _drive_ended(self, execution_id: UUID, task: asyncio.Task[None]) -> None:
        self._driven.pop(execution_id, None)
        if task.cancelled():
            return
        error = task.exception()
        match error:
            case None:
                pass
            case DriveEnded():
                log.warning("execution %s: %s; the sweep looks again", execution_id, error)
            case _:
                log.error("execution %s: the drive broke off", execution_id, exc_info=error)

    def _search_ended(self, task: asyncio.Task[None]) -> None:
        self._searches.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "searching open executions failed; the sweep repeats it", exc_info=task.exception()
            )

    def _partition(self, execution_id: UUID) -> int:
        return partition_of(shard_of(execution_id), self.log.partitions_count)
