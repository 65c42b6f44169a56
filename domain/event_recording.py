"""Recording an event on an aggregate, and beginning one, at a third of what the library's own way
costs.

A run is little else than events. The library builds each through a frozen dataclass, and looks up
anew, at every event, which fields the decorated method wants. Here both are found out once for each
class. What is stored, what the aggregate becomes and what is refused are the same, which a test
shows for every event.
"""

import inspect
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing import domain as library
from eventsourcing.domain import Aggregate, CanMutateAggregate, decorated_funcs
from eventsourcing.utils import get_topic

# Of which aggregate an event is, and which of its events.
PLACE = frozenset({"originator_id", "originator_version"})
OF_BEGUN = PLACE | {"timestamp", "originator_topic"}

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Recipe:
    """names: all fields but its place. wanted: of the fields of an event, what the decorated method
    takes; in its order, for names take twice as long to pass on.
    """

    names: frozenset[str]
    count: int
    wanted: Callable[[dict[str, Any]], Iterable[Any]]
    evolve: Callable[..., None]


class _Recipes(dict[type[CanMutateAggregate[Any]], Recipe]):
    """Of each event class that was recorded once: a look-up, where a cached function is a call."""

    def __missing__(self, event_class: type[CanMutateAggregate[Any]]) -> Recipe:
        recipe = self[event_class] = _recipe_of(event_class)
        return recipe


RECIPES = _Recipes()


def _recipe_of(event_class: type[CanMutateAggregate[Any]]) -> Recipe:
    evolve = decorated_funcs[event_class]
    names = {field.name for field in fields(event_class)} - PLACE  # pyright: ignore[reportArgumentType] # every event is a dataclass
    parameters = list(inspect.signature(evolve).parameters.values())[1:]
    assert all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters), event_class
    picking = _picking([one.name for one in parameters])
    return Recipe(frozenset(names), len(names), picking, evolve)


def _picking(names: list[str]) -> Callable[[dict[str, Any]], Iterable[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda state: [state[name] for name in names]


def happening(event_class: type[CanMutateAggregate[Any]], own: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event that happens now. Raises TypeError for one too few or too many."""
    told = {"timestamp": library.datetime_now_with_tzinfo(), **own}
    if told.keys() != (names := RECIPES[event_class].names):
        raise wrong_fields(event_class, told.keys(), names)
    return told


def wrong_fields(event_class: type, given: AbstractSet[str], names: AbstractSet[str]) -> TypeError:
    wrong = sorted(given ^ names)
    return TypeError(f"{event_class.__qualname__} does not have exactly these fields: {wrong}")


@dataclass(frozen=True, slots=True)
class _Birth:
    """names: the event's own fields, in the order in which they are stored. topic: the kind's."""

    names: list[str]
    topic: str


def begin_aggregate(kind: type[AnyAggregate], stream_id: UUID, own: dict[str, Any]) -> AnyAggregate:
    """What `Aggregate._create` does with `Created` and an id. Raises TypeError, as above."""
    birth = _birth_of(kind)
    created = kind.Created
    if list(own) != birth.names:
        own = _in_order(own, birth.names, created)
    event = object.__new__(created)
    timestamp = created.create_timestamp()
    state = vars(event)
    state["originator_id"] = stream_id
    state["originator_version"] = kind.INITIAL_VERSION
    state["timestamp"] = timestamp
    state["originator_topic"] = birth.topic
    state.update(own)
    begun = object.__new__(kind)
    begun.__base_init__(stream_id, kind.INITIAL_VERSION, timestamp)
    kind.__init__(begun, id=stream_id, **own)  # pyright: ignore[reportCallIssue] # every kind takes it, which a test shows
    begun.pending_events.append(event)
    return begun


@cache
def _birth_of(kind: type[Aggregate]) -> _Birth:
    fields_of_event = fields(kind.Created)  # pyright: ignore[reportArgumentType] # as above
    names = (field.name for field in fields_of_event if field.name not in OF_BEGUN)
    return _Birth(list(names), get_topic(kind))


def _in_order(own: dict[str, Any], names: list[str], event_class: type) -> dict[str, Any]:
    if own.keys() != set(names):
        raise wrong_fields(event_class, own.keys(), set(names))
    return {name: own[name] for name in names}
