"""How far the clock of this process is from PostgreSQL's, which all processes have in common.

Timers, deadlines and retries are decided by the clock of whoever drives a run. Where clocks differ,
a run that moves from one worker to another is woken early or late by the difference. Nothing is
corrected: what is wrong is told, for the clock of a machine is for others than us to set.
"""

import asyncio
import logging
from datetime import datetime
from typing import LiteralString

from commands.ports import Clock
from infra.metrics import Metrics
from infra.postgres import Database

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
OFFSET_TOLD_S = 1.0
NOW: LiteralString = "SELECT clock_timestamp()"


class ClockWatch:
    """offset_s: above 0, the clock of this process is ahead; exact to half of a round trip."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._is_told = False
        self.offset_s = 0.0

    async def run(self) -> None:
        """Until cancelled. Raises Unavailable."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        async with self._database.connection() as conn:
            asked_at = self._clock.now()
            row = await (await conn.execute(NOW)).fetchone()
            heard_at = self._clock.now()
        assert row is not None
        there: datetime = row[0]
        here = asked_at + (heard_at - asked_at) / 2
        self.offset_s = (here - there).total_seconds()
        is_wrong = abs(self.offset_s) > OFFSET_TOLD_S
        if is_wrong and not self._is_told:
            direction = "ahead of" if self.offset_s > 0 else "behind"
            log.warning(
                "the clock of this process is %.1f s %s that of PostgreSQL: timers are early or"
                " late by that; set it",
                abs(self.offset_s),
                direction,
            )
        self._is_told = is_wrong

    def tell(self, metrics: Metrics) -> None:
        metrics.process.clock_offset_seconds.set(self.offset_s)
