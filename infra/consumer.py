"""Keeps a long-running part running, at an even pace. An error is logged and the part begins again,
with a growing pause; nothing is skipped, because every part begins where its stored position is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from infra.metrics import METRICS

log = logging.getLogger(__name__)

PAUSE_MIN_S = 0.2
HEALTHY_AFTER_S = 30.0


# Of a batch that took long because something else was slow, nothing is to be learnt.
REST_MAX_S = 0.05


class Pace:
    """Lets batches begin at most every pace_s: the first after a pause at once, then evenly. After
    a batch that took longer, as long again is left to others, and to what comes meanwhile: one
    large batch costs far less than many small ones.
    """

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s
        self._next_at = 0.0
        self._began_at = 0.0

    async def wait(self) -> None:
        """Before a batch."""
        loop = asyncio.get_running_loop()
        if self._next_at > loop.time():
            await asyncio.sleep(self._next_at - loop.time())
        self._began_at = loop.time()
        self._next_at = self._began_at + self._pace_s

    def handled(self) -> None:
        """After a batch behind which there is nothing more yet."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now + min(now - self._began_at, REST_MAX_S))


async def keep_running(
    name: str, part: Callable[[], Awaitable[None]], *, pause_max_s: float
) -> None:
    """Run `part` for ever. A part that lived a while begins again at once; one that keeps failing
    waits longer.
    """
    loop = asyncio.get_running_loop()
    pause_s = PAUSE_MIN_S
    while True:
        started_at = loop.time()
        try:
            await part()
            log.warning("%s ended; it starts again", name)
        except Exception:
            log.exception("%s failed; it starts again in %.1f s", name, pause_s)
        METRICS.consumers.part_restarts.labels(name).inc()
        if loop.time() - started_at > HEALTHY_AFTER_S:
            pause_s = PAUSE_MIN_S
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, pause_max_s)
