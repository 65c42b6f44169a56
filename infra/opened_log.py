"""The log as its consumers see it: the same batches, with their events opened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from commands.ports import Batch, Log, LogHandler, Start
from infra.event_sealing import OpenEvents


class OpenedLog:
    """Implements commands.ports.Log."""

    def __init__(self, log: Log, open_events: OpenEvents) -> None:
        self._log = log
        self._open_events = open_events
        self.partitions_count = log.partitions_count

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        await self._log.consume(group, _Opening(handler, self._open_events), topics=topics)

    def is_owned(self, group: str, partition: int) -> bool:
        return self._log.is_owned(group, partition)


class _Opening:
    """Implements commands.ports.LogHandler."""

    def __init__(self, handler: LogHandler, open_events: OpenEvents) -> None:
        self._handler = handler
        self._open_events = open_events

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        return await self._handler.assigned(partitions)

    async def started(self, partitions: Sequence[int]) -> None:
        await self._handler.started(partitions)

    async def revoked(self, partitions: Sequence[int]) -> None:
        await self._handler.revoked(partitions)

    async def handle(self, batches: Sequence[Batch]) -> None:
        opened = [replace(batch, events=await self._open_events(batch.events)) for batch in batches]
        await self._handler.handle(opened)
