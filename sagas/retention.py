"""The retention saga: removes the payloads of executions that ended long enough ago.

    claim a tenant ──► a page of its streams ──► PayloadsRemoved, and the blobs go ──► release

The event and what it says are stored together. A run that somebody took up again in the meantime
conflicts, and is left alone.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from commands.ports import Clock, EventStore
from commands.retention_port import DueRetention, RemovedPayloads, Retentions
from domain.envelope import Envelope
from domain.errors import Stale
from domain.execution_commands import remove_payloads
from domain.executions import Execution

log = logging.getLogger(__name__)

PAGE = 100
# Far longer than a page takes; when it runs out all the same, nothing is done twice.
LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class RetentionSaga:
    """poll_s: how often all streams of a tenant are looked through."""

    retentions: Retentions
    events: EventStore
    clock: Clock
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(min(self.poll_s, LEASE_S))

    async def work_once(self) -> bool:
        """One page of one tenant. False: there is nothing to do."""
        due = await self.retentions.claim(LEASE_S)
        if due is None:
            return False
        ended_before = self.clock.now() - timedelta(days=due.payload_days)
        page = await self.retentions.streams(due, begun_before=ended_before, limit=PAGE)
        for stream_id in page:
            await self._remove(due, stream_id, ended_before)
        is_last = len(page) < PAGE
        await self.retentions.release(
            due, after=None if is_last else page[-1], pause_s=self.poll_s if is_last else 0.0
        )
        return True

    async def _remove(self, due: DueRetention, stream_id: UUID, ended_before: datetime) -> None:
        execution = await self.events.load(Execution, stream_id, due.tenant_id)
        if execution is None or execution.modified_on >= ended_before:
            return
        if not remove_payloads(execution, due.payload_days):
            return
        try:
            await self.events.append(
                [execution],
                Envelope(due.tenant_id, self.actor),
                side_rows=[RemovedPayloads(stream_id)],
            )
        except Stale:
            log.info("execution %s goes on: its payloads are kept", stream_id)
