"""What one transaction of the projector carries: events, and where partitions stand afterwards.

A poll's batches become steps of bounded size; a step that cannot be written is halved, again and
again, until what fails is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from commands.ports import Batch, LoggedEvent, Position
from infra.event_codec import TOPICS
from projections.fold import Fact, read_fact
from projections.rows import Tables
from projections.table import AnyProjection

# On two busy cores, with every event in another stream, 250 are written in 10 to 35 ms.
STEP_EVENTS_MAX = 250
STEP_BYTES_MAX = 2 * 1024 * 1024


class Mark(NamedTuple):
    """Where a partition stands after a step. cursor None: the batch goes on in the next step."""

    position: Position
    cursor: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """Each partition's events are in commit order. marks: None leaves a partition where it is."""

    events: Sequence[LoggedEvent]
    marks: Mapping[int, Mark | None]

    def part(self, events: Sequence[LoggedEvent]) -> "Step":
        """Some events, applied without moving on: what follows them may still fail."""
        return Step(events, dict.fromkeys(self.marks))


@dataclass(frozen=True, slots=True)
class Share:
    """What one projection has to do with a step."""

    tables: Tables
    facts: Sequence[tuple[LoggedEvent, Fact]]


def steps(batches: Sequence[Batch]) -> Iterator[Step]:
    """Batches cut and joined to what one transaction should carry."""
    events: list[LoggedEvent] = []
    marks: dict[int, Mark | None] = {}
    size = 0
    for batch in batches:
        for number, event in enumerate(batch.events, start=1):
            events.append(event)
            size += len(event.state)
            cursor = batch.cursor if number == len(batch.events) else None
            marks[batch.partition] = Mark(event.position, cursor, event.recorded_at)
            if len(events) >= STEP_EVENTS_MAX or size >= STEP_BYTES_MAX:
                yield Step(events, marks)
                events, marks, size = [], {}, 0
    if events:
        yield Step(events, marks)


def halves(step: Step, tables: Sequence[Tables]) -> list[tuple[Step, Sequence[Tables]]]:
    """Two parts of the work, earlier events first; what cannot be halved comes back whole."""
    if len(tables) > 1:
        middle = len(tables) // 2
        return [(step, tables[:middle]), (step, tables[middle:])]
    if len(step.events) > 1:
        middle = len(step.events) // 2
        parts = (step.events[:middle], step.events[middle:])
        return [(step.part(events), tables) for events in parts]
    return [(step, tables)]


def shares(step: Step, tables: Sequence[Tables]) -> list[Share]:
    """Each event is decoded once, and only if some projection wants what is in it."""
    wanted = frozenset[str]().union(*(table.projection.topics for table in tables))
    facts: list[tuple[LoggedEvent, Fact]] = [
        (event, read_fact(event) if event.topic in wanted or event.topic not in TOPICS else None)
        for event in step.events
    ]
    own: list[list[tuple[LoggedEvent, Fact]]] = [[] for _ in tables]
    followed: dict[str, list[list[tuple[LoggedEvent, Fact]]]] = {}
    for event, fact in facts:
        followers = followed.get(event.topic)
        if followers is None:
            followers = followed[event.topic] = [
                facts_of
                for facts_of, table in zip(own, tables, strict=True)
                if _is_followed(table.projection, event)
            ]
        for facts_of in followers:
            facts_of.append((event, fact))
    return [Share(table, facts_of) for table, facts_of in zip(tables, own, strict=True)]


def _is_followed(projection: AnyProjection, event: LoggedEvent) -> bool:
    """Unknown topics are followed by all: one may belong to a stream that is applied so far."""
    return event.topic in projection.stream_topics or event.topic not in TOPICS
