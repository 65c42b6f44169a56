"""A log that delivers worse than it promises: batches again, old events between new ones, late."""

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from commands.ports import Batch, Log, LoggedEvent, LogHandler, Start

WINDOW = 50
AGAIN_SHARE = 0.3
OLD_SHARE = 0.5
OLD_MAX = 10


@dataclass(eq=False)
class _Shuffled:
    """A LogHandler before the real one. Only what a relay or a broker may do is done: the order of
    a stream is kept, but for events that come again.
    """

    handler: LogHandler
    chance: random.Random
    handling_s: float

    def __post_init__(self) -> None:
        self.recent: dict[int, deque[LoggedEvent]] = {}

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        return await self.handler.assigned(partitions)

    async def started(self, partitions: Sequence[int]) -> None:
        await self.handler.started(partitions)

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        await self.handler.revoked(partitions, at_once=at_once)

    async def handle(self, batches: Sequence[Batch]) -> None:
        await asyncio.sleep(self.handling_s)
        shuffled = [self._with_old(batch) for batch in batches]
        await self.handler.handle(shuffled)
        if self.chance.random() < AGAIN_SHARE:
            await self.handler.handle(shuffled)

    def _with_old(self, batch: Batch) -> Batch:
        recent = self.recent.setdefault(batch.partition, deque(maxlen=WINDOW))
        events = self._interleaved(batch.events)
        if recent and self.chance.random() < OLD_SHARE:
            count = min(OLD_MAX, len(recent))
            for old in self.chance.sample(list(recent), count):
                events.insert(self.chance.randint(0, len(events)), old)
        recent.extend(batch.events)
        return replace(batch, events=events)

    def _interleaved(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Streams in another order to each other, each in its own."""
        streams: dict[object, deque[LoggedEvent]] = {}
        for event in events:
            streams.setdefault(event.stream_id, deque()).append(event)
        found: list[LoggedEvent] = []
        while streams:
            stream_id = self.chance.choice(list(streams))
            found.append(streams[stream_id].popleft())
            if not streams[stream_id]:
                del streams[stream_id]
        return found


@dataclass(eq=False)
class ShuffledLog:
    """Implements commands.ports.Log."""

    log: Log
    seed: str
    handling_s: float

    @property
    def partitions_count(self) -> int:
        return self.log.partitions_count

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        chance = random.Random(f"{self.seed}/{group}")
        await self.log.consume(group, _Shuffled(handler, chance, self.handling_s), topics=topics)

    def is_owned(self, group: str, partition: int) -> bool:
        return self.log.is_owned(group, partition)
