"""Recording an event on an aggregate at a third of what the library's own way costs.

A run is little else than events. The library builds each through a frozen dataclass, and looks up
anew, at every event, which fields the decorated method wants. Here both are found out once for each
class. What is stored, what the aggregate becomes and what is refused are the same, which a test
shows for every event.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from eventsourcing.domain import CanMutateAggregate, decorated_funcs

from domain.aggregates import Aggregate

SURROUNDINGS = frozenset({"originator_id", "originator_version", "timestamp"})


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
    timestamp = event_class.create_timestamp()
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
