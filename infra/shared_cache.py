"""The second level of caches: a server that speaks the Redis protocol (AGENTLEDGER_REDIS_URL).

It may be slow or away at any time. Then one call in PAUSE_S waits for it, at most TIMEOUT_S, and
all others go on without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECTIONS_MAX = 50
TIMEOUT_S = 0.1
PAUSE_S = 10.0
VALUE_BYTES_MAX = 1024 * 1024
KEPT_S = 3600

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class SharedCache:
    """Implements infra.caches.SecondLevel. url: redis://, rediss:// or unix://."""

    def __init__(
        self, url: str, monotonic_s: Callable[[], float], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=pool)
        self._monotonic_s = monotonic_s
        self._timeout_s = timeout_s
        self._is_away = False
        self._again_at_s = float("-inf")

    async def get(self, key: str) -> bytes | None:
        """Never more than VALUE_BYTES_MAX, whoever put it there."""
        reading = lambda: self._redis.getrange(key, 0, VALUE_BYTES_MAX)  # noqa: E731 # begun later
        value = await self._asked(cast("Callable[[], Awaitable[bytes]]", reading))
        return value if value and len(value) <= VALUE_BYTES_MAX else None

    async def put(self, key: str, value: bytes) -> None:
        if len(value) <= VALUE_BYTES_MAX:
            await self._asked(lambda: self._redis.set(key, value, ex=KEPT_S))

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        if self._is_away:
            now_s = self._monotonic_s()
            if now_s < self._again_at_s:
                return None
            # This call finds out; the others do not wait for it.
            self._again_at_s = now_s + PAUSE_S
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await ask()
        except Exception as error:  # noqa: BLE001 # Whatever it answers, it is only a cache.
            if not self._is_away:
                log.warning("the shared cache is away: %r", error)
            self._is_away = True
            self._again_at_s = self._monotonic_s() + PAUSE_S
            return None
        self._is_away = False
        return answer
