"""Events to rows in memory: the one fold of projector, rebuild, replay, verify and time travel.

Events come opened. A stream is applied version by version; an erased event counts and changes
nothing. An event that cannot be applied parks its stream: its rows
stay as of the event before, and what follows in the stream waits for a replay.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from uuid import UUID

from commands.ports import LoggedEvent
from domain.identifiers import TenantId
from infra.event_codec import TOPICS, decode
from infra.event_sealing import is_erased
from projections.table import AnyProjection, Decoded, Key

Row: TypeAlias = Mapping[str, object]
# What is in a stored event: the domain event, why it cannot be read, or None when nobody asked.
Fact: TypeAlias = Decoded | Exception | None


class EventsMissing(Exception):
    """Events of this stream are neither in the log's delivery nor in the store."""


class Applied(NamedTuple):
    """How far a projection has applied a stream. version 0: nothing of it."""

    tenant_id: TenantId
    version: int
    is_parked: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """The first event of a stream that was not applied, and why."""

    event: LoggedEvent
    error: Exception


@dataclass(frozen=True, slots=True)
class Gap:
    """The versions of a stream between, both ends excluded."""

    after_version: int
    before_version: int


class Fold:
    """What is known of some streams of one projection, and what taking events makes of it.

    stored_*: as read; all that the events will touch must be there before they are taken.
    streams, rows: changed. parked: by these events, not before.
    """

    def __init__(self, projection: AnyProjection) -> None:
        self.projection = projection
        self.stored_streams: dict[UUID, Applied] = {}
        self.stored_rows: dict[Key, Row] = {}
        self.streams: dict[UUID, Applied] = {}
        self.rows: dict[Key, Row] = {}
        self.parked: dict[UUID, Parked] = {}

    def take(self, event: LoggedEvent, fact: Fact) -> None:
        """Apply one event, unless its stream has it already or is parked."""
        applied = self.applied(event)
        if applied.is_parked or event.version <= applied.version or _is_foreign(event, applied):
            return
        try:
            changed = self._evolved(event, fact, applied.version)
        except Exception as error:  # noqa: BLE001 # it stops its own stream, never the consumer
            self.park(event, error)
            return
        self.rows.update(changed)
        self.streams[event.stream_id] = Applied(event.tenant_id, event.version, is_parked=False)

    def park(self, event: LoggedEvent, error: Exception) -> None:
        version = self.applied(event).version
        self.streams[event.stream_id] = Applied(event.tenant_id, version, is_parked=True)
        self.parked[event.stream_id] = Parked(event, error)

    def applied(self, event: LoggedEvent) -> Applied:
        stream_id = event.stream_id
        return (
            self.streams.get(stream_id)
            or self.stored_streams.get(stream_id)
            or Applied(event.tenant_id, 0, is_parked=False)
        )

    def row(self, key: Key) -> Row | None:
        return self.rows.get(key) or self.stored_rows.get(key)

    def keys(self, facts: Iterable[tuple[LoggedEvent, Fact]]) -> set[Key]:
        """The rows that these events change, beside those that they make or say anew. One that
        cannot even say so parks when it is taken.
        """
        keys: set[Key] = set()
        for event, fact in facts:
            if isinstance(fact, Decoded) and event.topic in self.projection.reading_topics:
                with suppress(Exception):  # It will be raised again, by `take`.
                    keys.update(self.projection.keys(fact))
        return keys

    def gaps(self, events: Iterable[LoggedEvent]) -> dict[UUID, Gap]:
        """Per stream, from what is applied to the last event that has a hole before it."""
        gaps: dict[UUID, Gap] = {}
        # By number: to hash a UUID is a function of Python's.
        reached: dict[int, tuple[Applied, int]] = {}
        for event in events:
            number = event.stream_id.int
            known = reached.get(number)
            if known is None:
                applied = self.applied(event)
                known = applied, applied.version
            applied, version = known
            if applied.is_parked or event.version <= version or _is_foreign(event, applied):
                continue
            if event.version > version + 1:
                gaps[event.stream_id] = Gap(applied.version, event.version)
            reached[number] = applied, event.version
        return gaps

    def _evolved(self, event: LoggedEvent, fact: Fact, applied_version: int) -> dict[Key, Row]:
        if event.version != applied_version + 1:
            raise EventsMissing(f"versions {applied_version + 1} to {event.version - 1}")
        if is_erased(event):
            return {}
        if isinstance(fact, Exception):
            raise fact
        if event.topic not in self.projection.topics:
            return {}
        assert fact is not None
        evolve = self.projection.evolve
        return {key: evolve(self.row(key), fact, key) for key in self.projection.keys(fact)}


def rows_after(projection: AnyProjection, events: Iterable[LoggedEvent]) -> list[Row]:
    """Time travel: a stream's rows as of the last of these events, which begin with its first.

    Raises what the projection raises at an event that it cannot apply.
    """
    fold = Fold(projection)
    for event in events:
        fold.take(event, read_fact(event))
        if fold.parked:
            raise fold.parked[event.stream_id].error
    return list(fold.rows.values())


def _is_foreign(event: LoggedEvent, applied: Applied) -> bool:
    """Of an aggregate that this program does not know.

    In a stream that is applied so far, an unknown topic is a fact we may not skip.
    """
    return applied.version == 0 and event.topic not in TOPICS


def read_fact(event: LoggedEvent) -> Decoded | Exception:
    """Decode an event, or say why that is not possible."""
    try:
        return Decoded(event, decode(event))
    except Exception as error:  # noqa: BLE001 # it stops its own stream, never the consumer
        return error
