"""What a process is asked at each scrape: gauges of what is elsewhere, set before they are told."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from infra.metrics import METRICS, Metrics

BEAT_S = 0.5


class Scrape:
    """sources: set gauges of `metrics`, without waiting for anybody."""

    def __init__(self, metrics: Metrics = METRICS) -> None:
        self.metrics = metrics
        self._sources: list[Callable[[Metrics], None]] = []

    def ask(self, source: Callable[[Metrics], None]) -> None:
        """From now on."""
        self._sources.append(source)

    def exposition(self) -> bytes:
        for source in self._sources:
            source(self.metrics)
        return self.metrics.exposition()


class LoopWatch:
    """How late the event loop is: a beat that comes later than it should says so."""

    def __init__(self) -> None:
        self._worst_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._worst_s = max(self._worst_s, loop.time() - due_at)

    def tell(self, metrics: Metrics) -> None:
        metrics.process.loop_lag_seconds.set(self._worst_s)
        self._worst_s = 0.0


def disk_of(data_dir: Path) -> Callable[[Metrics], None]:
    """A source: the file system with the data directory; nothing where there is none."""

    def tell(metrics: Metrics) -> None:
        with suppress(OSError):
            usage = shutil.disk_usage(data_dir)
            metrics.process.disk_free_bytes.set(usage.free)
            metrics.process.disk_size_bytes.set(usage.total)

    return tell
