"""What every aggregate is made of: the library's, with events that are quick to define, and to
record (event_recording.py).

A process that starts defines every event there is, and the library has three classes for each: as
it was written, as an event of its aggregate, and as one that calls a decorated method. It generates
and compiles the methods of a frozen dataclass for all of them. Here a class that adds no field has
the methods of the one that it is made of, which are the same.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing import domain as library
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import CanMutateAggregate, MetaDomainEvent

from domain.event_recording import recipe_of, wrong_fields


class EventClass(MetaDomainEvent):
    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> type[Any]:
        made: type[Any] = type.__new__(cls, name, bases, members)
        if _adds_fields(made):
            made = dataclass(frozen=True)(made)
            made.__signature__ = inspect.signature(made.__init__)
        return made


def _adds_fields(event_class: type) -> bool:
    inherited = _fields_of(event_class)
    return bool(inspect.get_annotations(event_class)) or any(
        not _fields_of(base) <= inherited for base in event_class.__bases__
    )


def _fields_of(event_class: type) -> set[str]:
    return set(getattr(event_class, "__dataclass_fields__", ()))


class Aggregate(LibraryAggregate):
    class Event(LibraryAggregate.Event, metaclass=EventClass):
        pass

    class Created(Event, LibraryAggregate.Created):
        pass

    def record(self, event_class: type[CanMutateAggregate[Any]], own: dict[str, Any]) -> None:
        """What `trigger_event` does, made cheaper. own: the fields of the event. Raises TypeError
        for one too few or too many.
        """
        recipe = recipe_of(event_class)
        if own.keys() != recipe.names:
            raise wrong_fields(event_class, own.keys(), recipe.names)
        event = object.__new__(event_class)
        timestamp = library.datetime_now_with_tzinfo()
        version = self._version + 1
        state = vars(event)
        state["originator_id"] = self._id
        state["originator_version"] = version
        state["timestamp"] = timestamp
        state.update(own)
        recipe.evolve(self, *recipe.wanted(state))
        self._version = version
        self.modified_on = timestamp
        self._pending_events.append(event)

    def collect_events(self) -> Sequence[CanMutateAggregate[UUID]]:
        """All at once, where the library takes them out one by one."""
        collected, self._pending_events = self._pending_events, []
        return collected
