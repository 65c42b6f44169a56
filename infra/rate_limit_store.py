"""What all API processes together have used up of each rate limit, in PostgreSQL."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from typing import LiteralString, Protocol

from domain.errors import Unavailable
from infra.postgres import Database

BUCKET_BYTES = 16
FORGET_PAUSE_S = 60.0

SETTLE: LiteralString = "SELECT bucket, ahead_s FROM settle_rate_limits(%s, %s, %s)"
FORGET: LiteralString = "SELECT forget_rate_limits()"

log = logging.getLogger(__name__)


class RateLimitStore(Protocol):
    async def settle(
        self, spent_s: Sequence[tuple[str, float]], *, ahead_max_s: float
    ) -> Mapping[str, float]:
        """Adds what was spent of buckets, each named once, in seconds. How many seconds each is
        now paid ahead, by everybody. Raises Unavailable.
        """
        ...


class PostgresRateLimits:
    """key: buckets are stored under a hash with it, for their names tell addresses."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def settle(
        self, spent_s: Sequence[tuple[str, float]], *, ahead_max_s: float
    ) -> Mapping[str, float]:
        names = {self._hashed(name): name for name, _ in spent_s}
        params = (list(names), [cost_s for _, cost_s in spent_s], ahead_max_s)
        async with self._database.connection() as conn:
            cursor = conn.cursor(binary=True)
            rows = await (await cursor.execute(SETTLE, params)).fetchall()
        return {names[bytes(bucket)]: ahead_s for bucket, ahead_s in rows}

    async def run(self) -> None:
        """Forget once in a while, until cancelled."""
        while True:
            await asyncio.sleep(FORGET_PAUSE_S)
            try:
                await self.forget()
            except Unavailable as error:
                log.warning("rate limits are not tidied: %s", error)

    async def forget(self) -> None:
        """Remove what says nothing any more. Raises Unavailable."""
        async with self._database.connection() as conn:
            await conn.execute(FORGET)

    def _hashed(self, name: str) -> bytes:
        return hmac.digest(self._key, name.encode(), hashlib.sha256)[:BUCKET_BYTES]
