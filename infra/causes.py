"""Which event led to which, as it is stored: `causation_id` is the id of the event before it in the
tree of causes.

    node_started ──► node_completed ──► node_started ...    an attempt's end follows from its intent
    child_started ──► created (of the child)                  a run begins in the one that began it
    completed (of the child) ──► child_ended (of the parent)  and ends there

What follows within one append follows in order. A command's first event has none: a request led to
it (`correlation_id`). What a driver does not know any more, after a restart, is none either; then
readers take the event before (read_api/event_causes.py).
"""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import AggregateEvent

from commands.ports import LoggedEvent
from domain.aggregates import Aggregate
from domain.executions import Execution

# How an attempt ends.
ENDS = (Execution.NodeCompleted, Execution.NodeFailed)


class KnownIds:
    """Of one run in memory. last: its newest event. intents: of attempts in flight, by path and
    number.
    """

    __slots__ = ("intents", "last")

    def __init__(self) -> None:
        self.last: UUID | None = None
        self.intents: dict[tuple[str, int], UUID] = {}

    def happens(self, fact: object, event_id: UUID) -> UUID | None:
        """What it follows from; from now on others follow from it."""
        cause, self.last = self.last, event_id
        if isinstance(fact, ENDS):
            return self.intents.pop((fact.path, fact.attempt), cause)
        if isinstance(fact, Execution.NodeStarted):
            self.intents[fact.path, fact.attempt] = event_id
        return cause


def known_ids(aggregate: Aggregate) -> KnownIds:
    """Kept beside a run for as long as that is in memory; of others only for an append."""
    if not isinstance(aggregate, Execution):
        return KnownIds()
    known = getattr(aggregate, "known_ids", None)
    if not isinstance(known, KnownIds):
        known = KnownIds()
        # A slot beside what makes two runs equal; the domain knows nothing of it.
        setattr(aggregate, "known_ids", known)  # noqa: B010
    return known


def remember(
    aggregate: Aggregate | None, page: Sequence[LoggedEvent], facts: Sequence[AggregateEvent]
) -> None:
    """What was read of a run."""
    if isinstance(aggregate, Execution):
        known = known_ids(aggregate)
        for event, fact in zip(page, facts, strict=True):
            known.happens(fact, event.event_id)


class Causes:
    """Of one append, event by event. given: of the envelope. is_command: somebody asked for it, so
    that nothing in the log came before its first event.
    """

    __slots__ = ("_children", "_given", "_is_command", "_is_first", "_known", "_leader")

    def __init__(self, given: UUID | None, *, is_command: bool) -> None:
        self._given = given
        self._is_command = is_command
        self._leader: UUID | None = None
        self._children: dict[str, UUID] = {}

    def of(self, aggregate: Aggregate) -> None:
        """Its events come next. What is decided with others follows from the first of them."""
        self._is_first = self._leader is None
        known = self._known = known_ids(aggregate)
        if self._is_first:
            if self._is_command or self._given is not None:
                known.last = self._given
        else:
            known.last = self._children.get(str(aggregate.id), self._leader)

    def next(self, fact: object, event_id: UUID) -> UUID | None:
        """What it follows from."""
        cause = self._known.happens(fact, event_id)
        if isinstance(fact, Execution.ChildStarted):
            self._children[fact.child_id] = event_id
        if self._is_first:
            self._leader = event_id
        return cause
