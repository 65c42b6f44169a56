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
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import CanMutateAggregate, MetaDomainEvent

from domain.event_recording import RECIPES, wrong_fields

# Found once: an event is nothing but its fields, and is frozen.
_new, _set = object.__new__, object.__setattr__


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
        """What `trigger_event` does, made cheaper. own: the fields of the event, after its
        `timestamp`, as they are stored; it is the event's from now on. Raises TypeError for one too
        few or too many.
        """
        recipe = RECIPES[event_class]
        if len(own) != recipe.count:
            raise wrong_fields(event_class, own.keys(), recipe.names)
        version = self._version + 1
        own["originator_id"] = self._id
        own["originator_version"] = version
        event = _new(event_class)
        _set(event, "__dict__", own)
        recipe.evolve(self, *recipe.wanted(own))
        self._version = version
        self.become(own["timestamp"])
        self._pending_events.append(event)

    def become(self, at: datetime) -> None:
        """What the last event made of it, it is from then on."""
        self._modified_on = at

    @LibraryAggregate.modified_on.setter
    def modified_on(self, modified_on: datetime) -> None:
        """The library sets it last when it applies an event."""
        self.become(modified_on)

    def collect_events(self) -> Sequence[CanMutateAggregate[UUID]]:
        """All at once, where the library takes them out one by one."""
        collected, self._pending_events = self._pending_events, []
        return collected
