"""The storage saga: counts what each tenant kept on the day that is over, once.

    every tenant ──► is yesterday counted? ──► what it keeps ──► an event, which is a fact of usage

Several workers may do it at once: the first append of a day counts.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta

from commands.ports import Clock, EventStore
from commands.price_port import Prices
from commands.sealing_port import KeyDestroyed
from commands.storage_port import Storage
from domain.envelope import Envelope
from domain.errors import Stale, Unavailable
from domain.identifiers import PLATFORM, TenantId
from domain.rating import OWN_METERS
from domain.storage_measurements import (
    LOG_BEGINNING,
    StorageMeasurement,
    end_of,
    measured_storage,
    storage_measurement_id,
)

log = logging.getLogger(__name__)

PAGE = 200


@dataclass(slots=True)
class StorageSaga:
    """poll_s: how often it is looked whether a day is over."""

    storage: Storage
    events: EventStore
    prices: Prices
    clock: Clock
    actor: str
    poll_s: float
    _done: date | None = field(default=None, init=False)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.work_once()
            except Unavailable as error:
                log.warning("what tenants keep is counted later: %s", error)
            await asyncio.sleep(self.poll_s)

    async def work_once(self) -> int:
        """How many tenants were counted for the day before this one."""
        day = self.clock.now().astimezone(UTC).date() - timedelta(days=1)
        if self._done == day:
            return 0
        counted, after = 0, PLATFORM
        while page := await self.storage.tenants(after=after, limit=PAGE):
            for tenant_id in page:
                counted += await self._measure(tenant_id, day)
            after = page[-1]
        self._done = day
        return counted

    async def _measure(self, tenant_id: TenantId, day: date) -> bool:
        try:
            return await self._measured(tenant_id, day)
        except (KeyDestroyed, Stale):
            return False  # It is gone, or another worker was first.

    async def _measured(self, tenant_id: TenantId, day: date) -> bool:
        if await self._of(tenant_id, day) is not None:
            return False
        before = await self._of(tenant_id, day - timedelta(days=1))
        since = LOG_BEGINNING if before is None else before.log_place
        kept = await self.storage.kept(tenant_id, after=since, before=end_of(day))
        if before is not None:
            kept = kept._replace(log_bytes=kept.log_bytes + before.log_bytes)
        if not kept.log_bytes:
            return False  # It was not there yet.
        sources = await self.prices.sources(tenant_id, OWN_METERS, end_of(day))
        measured = measured_storage(tenant_id, day, kept, sources, by=self.actor)
        await self.events.append([measured], Envelope(tenant_id, self.actor))
        return True

    async def _of(self, tenant_id: TenantId, day: date) -> StorageMeasurement | None:
        stream_id = storage_measurement_id(tenant_id, day)
        return await self.events.load(StorageMeasurement, stream_id, tenant_id)
