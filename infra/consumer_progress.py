"""How the groups of a process get on with the log: what they handled, how old it was, whether they
stand still. Kept as batches come, told at each scrape.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from commands.ports import Batch, Clock
from infra.metrics import METRICS, Metrics
from infra.readiness import Ask, Check
from infra.tracing import NO_SPAN, SpanBlock, is_on, messaging, root_span, sampled

# One batch takes a fraction of a second; a member that holds one so long is of no use.
STALLED_AFTER_S = 60.0
# The group that sees every event, once in an installation.
TOLD_GROUP = "projections"


class Watched(Protocol):
    """A log adapter, as far as it tells of itself. topic: of Kafka, or what stands for it."""

    topic: str

    def lags(self, group: str) -> Mapping[int, int]:
        """Records behind the last that was handled, per partition; empty where nobody knows."""
        ...

    def is_joined(self, group: str) -> bool:
        """Whether the group is being consumed, as far as is known without asking."""
        ...

    async def is_connected(self, group: str) -> bool:
        """Whether the log answers. Bounded in time."""
        ...


class GroupProgress:
    """Of one group in this process."""

    def __init__(self, group: str, log: Watched, clock: Clock) -> None:
        self.group = group
        self._log = log
        self._clock = clock
        self._handling_since: float | None = None
        self._newest: dict[int, tuple[datetime, datetime]] = {}
        self._events = METRICS.consumers.events.labels(group)
        self._seconds = METRICS.consumers.batch_seconds.labels(group)

    def begins(self) -> None:
        self._handling_since = asyncio.get_running_loop().time()

    def span(self, batches: Sequence[Batch]) -> SpanBlock:
        """With links to what led to the events, where somebody follows one of them."""
        if not is_on():
            return NO_SPAN
        events = [event for batch in batches for event in batch.events]
        links = sampled(event.traceparent for event in events)
        if not links:
            return NO_SPAN
        attributes = {
            **messaging(self._log.topic, "process"),
            "messaging.consumer.group.name": self.group,
            "messaging.batch.message_count": len(events),
        }
        return root_span(f"process {self._log.topic}", "consumer", attributes, links=links)

    def handled(self, batches: Sequence[Batch]) -> None:
        assert self._handling_since is not None
        self._seconds.observe(asyncio.get_running_loop().time() - self._handling_since)
        now = self._clock.now()
        if self.group == TOLD_GROUP:
            topics = Counter([event.topic for batch in batches for event in batch.events])
            for topic, count in topics.items():
                METRICS.consumers.domain_events.labels(topic).inc(count)
        for batch in batches:
            self._events.inc(len(batch.events))
            self._newest[batch.partition] = (now, batch.events[-1].recorded_at)

    def ends(self) -> None:
        self._handling_since = None

    def lost(self, partitions: Sequence[int]) -> None:
        """Another member tells of them from now on."""
        for partition in partitions:
            self._newest.pop(partition, None)
            place = (self.group, self._log.topic, str(partition))
            for gauge in (METRICS.consumers.lag_seconds, METRICS.consumers.lag_events):
                gauge.remove(*place)

    @property
    def is_stalled(self) -> bool:
        if not self._log.is_joined(self.group):
            return True
        since = self._handling_since
        now = asyncio.get_running_loop().time()
        return since is not None and now - since > STALLED_AFTER_S

    def tell(self, metrics: Metrics) -> None:
        """A source of infra/scrape.py."""
        metrics.consumers.stalled.labels(self.group).set(self.is_stalled)
        lags = self._log.lags(self.group)
        for partition, (handled_at, recorded_at) in self._newest.items():
            place = (self.group, self._log.topic, str(partition))
            lag_s = max(0.0, (handled_at - recorded_at).total_seconds())
            metrics.consumers.lag_seconds.labels(*place).set(lag_s)
        for partition, count in lags.items():
            place = (self.group, self._log.topic, str(partition))
            metrics.consumers.lag_events.labels(*place).set(count)

    def check(self) -> Ask:
        async def ask() -> Sequence[Check]:
            is_ok = await self._log.is_connected(self.group)
            detail = self._log.topic if is_ok else f"{self._log.topic} does not answer"
            return [Check(f"log {self.group}", is_ok, detail)]

        return ask
