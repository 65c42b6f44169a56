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

from eventsourcing.domain import AggregateEvent

from commands.ports import LoggedEvent
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.executions import Execution

# How an attempt ends.
ENDS = (Execution.NodeCompleted, Execution.NodeFailed)


class KnownIds:
    """Of one run in memory, as the bytes that are stored. last: its newest event. intents: of
    attempts in flight, by path and number.
    """

    __slots__ = ("intents", "last")

    def __init__(self) -> None:
        self.last: bytes | None = None
        self.intents: dict[tuple[str, int], bytes] = {}

    def happens(self, fact: object, event_id: bytes) -> bytes | None:
        """What it follows from; from now on others follow from it."""
        cause, self.last = self.last, event_id
        # Not isinstance, which is a function of the events' metaclass.
        if type(fact) is Execution.NodeStarted:
            self.intents[fact.path, fact.attempt] = event_id
        elif self.intents and isinstance(fact, ENDS):
            return self.intents.pop((fact.path, fact.attempt), cause)
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
            known.happens(fact, event.event_id.bytes)


class Causes:
    """Of one append, event by event."""

    __slots__ = ("_children", "_envelope", "_is_first", "_known", "_leader")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._leader: bytes | None = None
        self._children: dict[str, bytes] = {}

    def of(self, aggregate: Aggregate) -> None:
        """Its events come next. What is decided with others follows from the first of them."""
        self._is_first = self._leader is None
        known = self._known = known_ids(aggregate)
        if not self._is_first:
            known.last = self._children.get(str(aggregate.id), self._leader)
        elif (given := self._envelope.causation_id) is not None:
            known.last = given.bytes
        elif self._envelope.command_id is not None:
            # Somebody asked for it: nothing in the log came before its first event.
            known.last = None

    def next(self, fact: object, event_id: bytes) -> bytes | None:
        """What it follows from."""
        cause = self._known.happens(fact, event_id)
        if type(fact) is Execution.ChildStarted:
            self._children[fact.child_id] = event_id
        if self._is_first:
            self._leader = event_id
        return cause
