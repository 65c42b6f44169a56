"""What quick event classes keep of the library's: an event is built, compared, shown and refused as
if each of its classes were a dataclass of its own.
"""

from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from typing import Any

import pytest
from eventsourcing.domain import MetaDomainEvent

from domain.aggregates import EventClass
from domain.catalogue import AGGREGATES

EVENTS: list[type[Any]] = [
    member
    for kind in AGGREGATES
    for member in vars(kind).values()
    if isinstance(member, MetaDomainEvent)
]


def test_every_event_has_the_fields_and_the_signature_that_the_library_would_give_it() -> None:
    wrong = []
    for event in EVENTS:
        assert is_dataclass(event)
        theirs: Any = MetaDomainEvent(event.__name__, (event,), {})
        if [field.name for field in fields(event)] != [field.name for field in fields(theirs)]:
            wrong.append(event)
        if str(event.__signature__) != str(theirs.__signature__):
            wrong.append(event)
    assert not wrong


def test_events_of_one_class_with_the_same_fields_are_equal_and_no_others() -> None:
    for event in EVENTS:
        one, same, other = (_built(event, value) for value in (1, 1, 2))
        assert one == same, event
        assert hash(one) == hash(same), event
        assert one != other, event
    first, second = (_built(event, 1) for event in EVENTS[:2])
    assert first != second


def test_an_event_shows_its_own_name_and_cannot_be_changed() -> None:
    for event in EVENTS:
        built = _built(event, 1)
        assert repr(built).startswith(f"{event.__qualname__}(originator_id=1,")
        with pytest.raises(FrozenInstanceError):
            built.originator_id = 2


def test_a_class_that_only_joins_others_has_the_fields_of_them_all() -> None:
    @dataclass(frozen=True)
    class Further:
        further: int

    class Joined(EVENTS[0], Further, metaclass=EventClass):
        pass

    names = [field.name for field in fields(Joined)]
    assert names == ["further", *(field.name for field in fields(EVENTS[0]))]


def _built(event: type[Any], value: int) -> Any:
    """With that value in every field."""
    built = object.__new__(event)
    vars(built).update({field.name: value for field in fields(event)})
    return built
