"""When API keys were last used: noted in memory by each request, stored once a minute in batches.

Coarse on purpose: a request costs no write, and a minute tells nobody more than he needs. What a
process noted since it last stored is lost with it.
"""

import asyncio
import logging
from collections.abc import Iterator
from itertools import islice
from typing import LiteralString
from uuid import UUID

from commands.ports import Clock
from domain.errors import Unavailable
from domain.identifiers import TenantId
from infra.postgres import Database

STORE_PAUSE_S = 60.0
# Between two batches; more keys than this are not noted until the next.
NOTED_MAX = 100_000
BATCH_KEYS_MAX = 1000

NOTE: LiteralString = "SELECT note_api_key_uses(%s, %s, %s)"

log = logging.getLogger(__name__)


class ApiKeyUses:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[UUID, TenantId] = {}

    def note(self, api_key_id: UUID, tenant_id: TenantId) -> None:
        """The key was just used."""
        if len(self._noted) < NOTED_MAX:
            self._noted[api_key_id] = tenant_id

    async def run(self) -> None:
        """Store every minute, until cancelled."""
        while True:
            await asyncio.sleep(STORE_PAUSE_S)
            try:
                await self.store()
            except Unavailable as error:
                log.warning("uses of API keys are not stored: %s", error)

    async def store(self) -> None:
        """What is noted, as used in this minute. Raises Unavailable, and keeps what is left."""
        minute = self._clock.now().replace(second=0, microsecond=0)
        noted, self._noted = self._noted, {}
        batches = _batches(noted)
        try:
            for batch in batches:
                async with self._database.connection() as conn:
                    await conn.execute(NOTE, (list(batch.values()), list(batch), minute))
                for api_key_id in batch:
                    del noted[api_key_id]
        except Unavailable:
            self._noted = {**noted, **self._noted}
            raise


def _batches(noted: dict[UUID, TenantId]) -> Iterator[dict[UUID, TenantId]]:
    pairs = iter(list(noted.items()))
    while batch := dict(islice(pairs, BATCH_KEYS_MAX)):
        yield batch
