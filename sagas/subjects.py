"""The erasure saga: after the key of somebody is destroyed, each of their streams says so, runs
that go on end, and what lies beside the log is removed.

    claim ──► rows beside the log ──► stream by stream: its end, its erasure ──► again after a while

What was personal is unreadable before it begins. It makes that known: to whoever waits for a run,
and to read models, which fold a stream anew when it says that it is erased. Every step may be
repeated. The second time is for what a process may have begun that had the key in memory.
"""

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from commands.authorization import Caller
from commands.decisions import Tenancy
from commands.ports import Ports
from commands.run_metering import meter_ended
from commands.subject_port import Erased, SubjectErasures, SubjectStream
from commands.subjects import KINDS, ended
from domain.envelope import Envelope
from domain.errors import Stale
from infra.data_keys import KEYS_KEPT_S

log = logging.getLogger(__name__)

PAGE = 100
ATTEMPTS_MAX = 8
# When it runs out before the end, two do the same, and what one has done the other finds done.
LEASE_S = 30.0
SWEPT_AGAIN_S = KEYS_KEPT_S + 60.0


@dataclass(frozen=True, slots=True)
class DataSubjectSaga:
    erasures: SubjectErasures
    ports: Ports
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One data subject. False: there is nothing to do."""
        erased = await self.erasures.claim(LEASE_S)
        if erased is None:
            return False
        await self.erasures.erase_rows(erased)
        if await self._end_streams(erased):
            await self.erasures.end_sweep(erased, again_s=SWEPT_AGAIN_S)
        return True

    async def _end_streams(self, erased: Erased) -> bool:
        """Whether none is left."""
        after: UUID | None = None
        while page := await self.erasures.streams(erased, after=after, limit=PAGE):
            for stream in page:
                await self._end_stream(erased, stream)
            after = page[-1].stream_id
        return not await self.erasures.streams(erased, after=None, limit=1)

    async def _end_stream(self, erased: Erased, stream: SubjectStream) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._say(erased, stream)
            except Stale:
                continue
            await self.erasures.forget(erased, stream.stream_id)
            return
        log.warning("stream %s keeps changing; it is looked at again", stream.stream_id)

    async def _say(self, erased: Erased, stream: SubjectStream) -> None:
        tenant_id = erased.tenant_id
        events = self.ports.events
        aggregate = await events.load(KINDS[stream.kind], stream.stream_id, tenant_id)
        if aggregate is None:
            return
        if aggregate.subject_id != erased.subject_id:
            events.keep(aggregate, tenant_id)  # It is somebody else's by now.
            return
        on = Tenancy(self.ports, Caller(self.actor, tenant_id, frozenset()), tenant_id)
        end = await ended(aggregate, on)
        envelope = Envelope(tenant_id, self.actor, causation_id=erased.cause_id)
        assert self.ports.prices is not None
        await meter_ended(end.aggregates, tenant_id, self.ports.prices, self.ports.clock.now())
        await events.append(end.aggregates, envelope, side_rows=end.side_rows)
