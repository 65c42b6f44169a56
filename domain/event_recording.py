"""Recording an event on an aggregate, and beginning one, at a third of what the library's own way
costs.

A run is little else than events. The library builds each through a frozen dataclass, and looks up
anew, at every event, which fields the decorated method wants. Here both are found out once for each
class. What is stored, what the aggregate becomes and what is refused are the same, which a test
shows for every event.
"""

import inspect
from collections.abc import Callable, KeysView
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing import domain as library
from eventsourcing.domain import CanMutateAggregate, decorated_funcs
from eventsourcing.utils import get_topic

from domain.aggregates import Aggregate

SURROUNDINGS = frozenset({"originator_id", "originator_version", "timestamp"})
OF_BEGUN = SURROUNDINGS | {"originator_topic"}

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """names: the event's own fields. wanted: those that the decorated method takes."""

    names: frozenset[str]
    wanted: tuple[str, ...]
    evolve: Callable[..., None]


def record_event(
    aggregate: Aggregate, event_class: type[CanMutateAggregate[Any]], own: dict[str, Any]
) -> None:
    """What `Aggregate.trigger_event` does. Raises TypeError for a field too few or too many."""
    recipe = _recipe_of(event_class)
    if own.keys() != recipe.names:
        wrong = sorted(own.keys() ^ recipe.names)
        message = f"{event_class.__qualname__} does not have exactly these fields: {wrong}"
        raise TypeError(message)
    event = object.__new__(event_class)
    timestamp = library.datetime_now_with_tzinfo()
    version = aggregate.version + 1
    state = vars(event)
    state["originator_id"] = aggregate.id
    state["originator_version"] = version
    state["timestamp"] = timestamp
    state.update(own)
    recipe.evolve(aggregate, **{name: state[name] for name in recipe.wanted})
    aggregate.version = version
    aggregate.modified_on = timestamp
    aggregate.pending_events.append(event)


@cache
def _recipe_of(event_class: type[CanMutateAggregate[Any]]) -> _Recipe:
    evolve = decorated_funcs[event_class]
    own = {field.name for field in fields(event_class)} - SURROUNDINGS  # pyright: ignore[reportArgumentType] # every event is a dataclass
    parameters = list(inspect.signature(evolve).parameters)[1:]
    return _Recipe(frozenset(own), tuple(parameters), evolve)


@dataclass(frozen=True, slots=True)
class _Birth:
    """names: the event's own fields, in the order in which they are stored. topic: the kind's."""

    names: KeysView[str]
    topic: str


def begin_aggregate(kind: type[AnyAggregate], stream_id: UUID, own: dict[str, Any]) -> AnyAggregate:
    """What `Aggregate._create` does with `Created` and an id. Raises TypeError, as above."""
    birth = _birth_of(kind)
    created = kind.Created
    if own.keys() != birth.names:
        wrong = sorted(own.keys() ^ birth.names)
        message = f"{created.__qualname__} does not have exactly these fields: {wrong}"
        raise TypeError(message)
    event = object.__new__(created)
    timestamp = created.create_timestamp()
    state = vars(event)
    state["originator_id"] = stream_id
    state["originator_version"] = kind.INITIAL_VERSION
    state["timestamp"] = timestamp
    state["originator_topic"] = birth.topic
    for name in birth.names:
        state[name] = own[name]
    begun = object.__new__(kind)
    begun.__base_init__(stream_id, kind.INITIAL_VERSION, timestamp)
    kind.__init__(begun, id=stream_id, **own)  # pyright: ignore[reportCallIssue] # every kind takes it, which a test shows
    begun.pending_events.append(event)
    return begun


@cache
def _birth_of(kind: type[Aggregate]) -> _Birth:
    fields_of_event = fields(kind.Created)  # pyright: ignore[reportArgumentType] # as above
    names = (field.name for field in fields_of_event if field.name not in OF_BEGUN)
    return _Birth(dict.fromkeys(names).keys(), get_topic(kind))
