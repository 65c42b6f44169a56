"""Read-your-writes: wait until the projections have applied what a token names.

One poller per process asks for all waiters together, and only while there are any. A projector in
the same process says so itself.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import LiteralString

from commands.ports import Position, PositionToken, partition_of
from domain.errors import Unavailable
from infra.event_log import BEGINNING
from infra.postgres import Database

__all__ = ["PositionToken", "ReadPositions"]

log = logging.getLogger(__name__)

WAITERS_MAX = 10_000

# A partition is applied as far as the projection that is furthest behind in it. Rebuilds do not
# count.
APPLIED: LiteralString = (
    "SELECT DISTINCT ON (partition) partition, era, tx_id, notification_id,"
    " count(*) OVER (PARTITION BY partition)"
    " FROM projection_positions WHERE partitions_count = %s AND projection = ANY(%s)"
    " ORDER BY partition, era, tx_id, notification_id"
)


class TooManyWaiters(Unavailable):
    """Too many readers are waiting for positions; try again."""


@dataclass(eq=False)
class _Waiter:
    needed: dict[int, Position]
    done: asyncio.Event = field(default_factory=asyncio.Event)


class ReadPositions:
    """projections: the names, as in projection_positions, that a reader may read from."""

    def __init__(
        self, database: Database, *, partitions_count: int, projections: list[str], poll_s: float
    ) -> None:
        self._database = database
        self._partitions_count = partitions_count
        self._projections = projections
        self._poll_s = poll_s
        self._applied: dict[int, Position] = {}
        self._waiters: set[_Waiter] = set()
        self._has_waiters = asyncio.Event()

    def applied(self, positions: dict[int, Position]) -> None:
        """The projector of this process has committed up to these positions, per partition."""
        for partition, position in positions.items():
            if position > self._applied.get(partition, BEGINNING):
                self._applied[partition] = position
        self._release()

    async def wait_until_applied(self, token: PositionToken, *, timeout_s: float) -> bool:
        """False when the time ran out first. Raises TooManyWaiters."""
        if len(self._waiters) >= WAITERS_MAX:
            raise TooManyWaiters
        needed: dict[int, Position] = {}
        for shard, position in token.positions().items():
            partition = partition_of(shard, self._partitions_count)
            needed[partition] = max(position, needed.get(partition, position))
        waiter = _Waiter(needed)
        if self._is_reached(waiter):
            return True
        self._waiters.add(waiter)
        self._has_waiters.set()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.done.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    async def run(self) -> None:
        """Poll while somebody waits, until cancelled."""
        while True:
            await self._has_waiters.wait()
            if not self._waiters:
                self._has_waiters.clear()
                continue
            try:
                await self._poll()
            except Unavailable as error:
                log.warning("read positions: %s", error)
            await asyncio.sleep(self._poll_s)

    async def _poll(self) -> None:
        async with self._database.connection() as conn:
            cursor = conn.cursor()
            await cursor.execute(APPLIED, (self._partitions_count, self._projections), prepare=True)
            rows = await cursor.fetchall()
        self.applied(
            {
                partition: Position(era, tx_id, notification_id)
                for partition, era, tx_id, notification_id, projections_count in rows
                if projections_count == len(self._projections)
            }
        )

    def _release(self) -> None:
        for waiter in [w for w in self._waiters if self._is_reached(w)]:
            waiter.done.set()

    def _is_reached(self, waiter: _Waiter) -> bool:
        return all(
            partition in self._applied and self._applied[partition] >= position
            for partition, position in waiter.needed.items()
        )
