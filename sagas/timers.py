"""Durable timers: what is due lies in `open_executions`, and only the next few are held in memory.

Every poll reads what is due until the poll after it, so a hundred thousand sleeping runs cost one
short query each time, and memory only when they wake.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from commands.open_executions_port import OpenExecution, OpenExecutions
from commands.ports import Clock
from infra.crash_points import reach

log = logging.getLogger(__name__)

POLL_S = 5.0
HELD_MAX = 10_000
PAUSE_MIN_S = 0.01


@dataclass(eq=False)
class Timers:
    """wake: called for each execution whose time has come; perhaps again, if it stays due."""

    open_executions: OpenExecutions
    clock: Clock
    wake: Callable[[OpenExecution], None]
    poll_s: float = POLL_S
    _due: list[tuple[datetime, UUID, OpenExecution]] = field(
        default_factory=list[tuple[datetime, UUID, OpenExecution]]
    )
    _held: set[tuple[datetime, UUID]] = field(default_factory=set[tuple[datetime, UUID]])
    _horizon: datetime | None = None
    _sooner: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, sleeping: OpenExecution) -> None:
        """It was just stored; a later poll finds it, unless it is due before."""
        wake_at = sleeping.wake_at
        if wake_at is None or self._horizon is None or wake_at > self._horizon:
            return
        self._keep(sleeping, wake_at)
        self._sooner.set()

    async def run(self, shards: Callable[[], Sequence[int]]) -> None:
        """Run until cancelled. shards: those owned at the moment."""
        while True:
            owned = shards()
            now = self.clock.now()
            horizon = now + timedelta(seconds=self.poll_s)
            found = await self._read(owned, horizon)
            is_whole = len(found) < HELD_MAX
            last = found[-1].wake_at if found and not is_whole else None
            # What did not fit is read when the last of these is due.
            self._horizon = last or horizon
            poll_s = max(PAUSE_MIN_S, (self._horizon - now).total_seconds())
            await self._wake_for(poll_s)

    async def _read(self, owned: Sequence[int], horizon: datetime) -> Sequence[OpenExecution]:
        if not owned:
            return []
        found = await self.open_executions.due(owned, until=horizon, limit=HELD_MAX)
        for sleeping in found:
            if sleeping.wake_at is not None:
                self._keep(sleeping, sleeping.wake_at)
        return found

    async def _wake_for(self, poll_s: float) -> None:
        """What is due in that time. The clock may jump; the poll may not wait for it."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + poll_s
        while True:
            now = self.clock.now()
            while self._due and self._due[0][0] <= now:
                wake_at, execution_id, sleeping = heapq.heappop(self._due)
                self._held.discard((wake_at, execution_id))
                reach("timers.before_wake")
                self.wake(sleeping)
                reach("timers.after_wake")
            left_s = ends_at - loop.time()
            if left_s <= 0:
                return
            if self._due:
                left_s = min(left_s, (self._due[0][0] - now).total_seconds())
            self._sooner.clear()
            try:
                async with asyncio.timeout(max(left_s, 0.001)):
                    await self._sooner.wait()
            except TimeoutError:
                pass

    def _keep(self, sleeping: OpenExecution, wake_at: datetime) -> None:
        key = (wake_at, sleeping.execution_id)
        if key not in self._held:
            self._held.add(key)
            heapq.heappush(self._due, (*key, sleeping))
