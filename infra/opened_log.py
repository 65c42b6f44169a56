"""The log as its consumers see it: the same batches, with their events opened, and watched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from commands.ports import Batch, Log, LogHandler, Start
from infra.consumer_progress import GroupProgress
from infra.event_sealing import OpenEvents


class OpenedLog:
    """Implements commands.ports.Log. watch: makes the progress of a group that begins."""

    def __init__(
        self, log: Log, open_events: OpenEvents, watch: Callable[[str], GroupProgress]
    ) -> None:
        self._log = log
        self._open_events = open_events
        self._watch = watch
        self._progress: dict[str, GroupProgress] = {}
        self.partitions_count = log.partitions_count

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        if group not in self._progress:
            self._progress[group] = self._watch(group)
        opening = _Opening(handler, self._open_events, self._progress[group])
        await self._log.consume(group, opening, topics=topics)

    def is_owned(self, group: str, partition: int) -> bool:
        return self._log.is_owned(group, partition)


class _Opening:
    """Implements commands.ports.LogHandler."""

    def __init__(
        self, handler: LogHandler, open_events: OpenEvents, progress: GroupProgress
    ) -> None:
        self._handler = handler
        self._open_events = open_events
        self._progress = progress

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        return await self._handler.assigned(partitions)

    async def started(self, partitions: Sequence[int]) -> None:
        await self._handler.started(partitions)

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        self._progress.lost(partitions)
        await self._handler.revoked(partitions, at_once=at_once)

    async def handle(self, batches: Sequence[Batch]) -> None:
        self._progress.begins()
        try:
            with self._progress.span(batches):
                opened = [
                    replace(batch, events=await self._open_events(batch.events))
                    for batch in batches
                ]
                await self._handler.handle(opened)
            self._progress.handled(batches)
        finally:
            self._progress.ends()
