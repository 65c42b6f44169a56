"""Streams as they were: read and opened once, and folded up to whatever version is asked for."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from domain.aggregates import Aggregate
from domain.invoice_facts import Place
from infra.event_codec import evolved
from infra.event_log import read_stream_unbound
from infra.event_sealing import OpenEvents

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
# Of one stream of what a tenant pays: some of them a month.
EVENTS_MAX = 1_000_000


class StreamHistories:
    """conn: sees every tenant."""

    def __init__(self, conn: AsyncConnection, open_events: OpenEvents) -> None:
        self._conn = conn
        self._open_events = open_events
        self._events: dict[UUID, Sequence[LoggedEvent]] = {}
        self._folded: dict[UUID, Aggregate] = {}

    async def events(self, stream_id: UUID) -> Sequence[LoggedEvent]:
        """In order of their versions, opened."""
        known = self._events.get(stream_id)
        if known is None:
            stored = await read_stream_unbound(
                self._conn, stream_id, after_version=0, limit=EVENTS_MAX
            )
            known = self._events[stream_id] = await self._open_events(stored)
        return known

    async def at(
        self, kind: type[AnyAggregate], stream_id: UUID, version: int
    ) -> AnyAggregate | None:
        """After that event; None after none. It counts until the stream is asked for again."""
        events = await self.events(stream_id)
        aggregate = self._folded.pop(stream_id, None)
        if aggregate is not None and aggregate.version > version:
            aggregate = None
        done = 0 if aggregate is None else aggregate.version
        for event in events[done:version]:
            aggregate = evolved(aggregate, event)
        if aggregate is None:
            return None
        self._folded[stream_id] = aggregate
        assert isinstance(aggregate, kind)
        return aggregate

    async def version_before(self, stream_id: UUID, place: Place) -> int:
        """How many events of it lie before a place of the log."""
        return sum(event.position < place for event in await self.events(stream_id))
