"""What the log says of each run, as the checks read it: apart from the aggregate, so that a mistake
there is not repeated here.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from commands.ports import LoggedEvent
from domain.definitions import Definition, parse_definition
from tests.simulation.world import World

ENDS = {
    "execution.completed": "COMPLETED",
    "execution.failed": "FAILED",
    "execution.cancelled": "CANCELLED",
    "execution.compensated": "COMPENSATED",
}


@dataclass(slots=True)
class Fact:
    """One event. topic: without `execution.`. tx: equal for what one append stored."""

    event: LoggedEvent
    topic: str
    state: dict[str, Any]

    @property
    def version(self) -> int:
        return self.event.version

    @property
    def tx(self) -> int:
        return self.event.position.tx_id

    @property
    def path(self) -> str:
        return str(self.state.get("path"))

    @property
    def attempt(self) -> tuple[str, int]:
        return self.path, int(self.state["attempt"])


@dataclass(slots=True)
class History:
    """One run. name: the end of its id, as the trace shows it."""

    execution_id: UUID
    definition: Definition
    facts: list[Fact] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.execution_id)[-4:]

    def of(self, *topics: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.topic in topics]

    @property
    def ends(self) -> list[Fact]:
        """A run that is tried again or undone has several."""
        return [fact for fact in self.facts if fact.event.topic in ENDS]

    @property
    def end(self) -> Fact | None:
        return self.ends[-1] if self.ends else None

    @property
    def status(self) -> str | None:
        end = self.end
        return None if end is None else ENDS[end.event.topic]


def histories_of(world: World) -> dict[UUID, History]:
    by_stream: dict[UUID, list[Fact]] = defaultdict(list)
    for event in world.store.logged:
        if event.topic.startswith("execution."):
            topic = event.topic.removeprefix("execution.")
            by_stream[event.stream_id].append(Fact(event, topic, orjson.loads(event.state)))
    definitions: dict[str, Definition] = {}
    histories: dict[UUID, History] = {}
    for execution_id, facts in by_stream.items():
        pinned = str(facts[0].state["definition_hash"])
        if pinned not in definitions:
            stored = world.store._definitions[world.tenant_id, pinned]
            definitions[pinned] = parse_definition(orjson.loads(stored))
        histories[execution_id] = History(execution_id, definitions[pinned], facts)
    return histories
