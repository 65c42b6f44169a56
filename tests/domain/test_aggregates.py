"""What quick event classes keep of the library's: an event is built, compared, shown and refused as
if each of its classes were a dataclass of its own.
"""

import inspect
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from typing import Any
from uuid import UUID

import pytest
from eventsourcing import domain as library
from eventsourcing.domain import BaseAggregate, MetaDomainEvent

from domain.aggregates import EventClass
from domain.catalogue import AGGREGATES
from domain.event_recording import OF_BEGUN, begin_aggregate
from domain.executions import Execution
from domain.identifiers import JsonObject
from infra.event_codec import encoded

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


def test_every_aggregate_begins_with_what_its_first_event_says() -> None:
    for kind in AGGREGATES:
        told: Any = kind.Created
        own = [field.name for field in fields(told) if field.name not in OF_BEGUN]
        assert list(inspect.signature(kind.__init__).parameters) == ["self", "id", *own], kind


BEGUN: JsonObject = {
    "workflow_version": 3,
    "workflow_id": "01890000-0000-7000-8000-000000000002",
    "agent_id": None,
    "definition_hash": "h",
    "input": {"a": 1},
    "created_by": "x",
    "parent_id": None,
    "parent_path": None,
    "depth": 0,
    "forked_from_id": None,
    "forked_from_node": None,
    "subject_id": "01890000-0000-7000-8000-000000000003",
    "data_subject": "somebody",
}


def test_what_is_begun_is_what_the_library_would_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Execution.Created.create_timestamp()
    monkeypatch.setattr(Execution.Created, "create_timestamp", lambda: now)
    stream_id = UUID("01890000-0000-7000-8000-000000000001")
    ours = begin_aggregate(Execution, stream_id, BEGUN)
    theirs: Any = Execution._create(Execution.Created, id=stream_id, **BEGUN)
    assert ours == theirs
    assert encoded(ours.pending_events[0]) == encoded(theirs.pending_events[0])
    assert (ours.id, ours.version, ours.created_on, ours.modified_on) == (stream_id, 1, now, now)


def test_nothing_begins_with_a_fact_too_few_or_too_many() -> None:
    for wrong in ({**BEGUN, "other": 1}, {"input": None}):
        with pytest.raises(TypeError, match="exactly these fields"):
            begin_aggregate(Execution, UUID(int=1), wrong)


FREE: JsonObject = {
    "model": None,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_usd_pico": 0,
    "usage": None,
}
NODE: JsonObject = {"path": "a", "node_type": "llm", "attempt": 1}
INTENT: JsonObject = {"request": {}, "idempotency_key": "k", "reserved": None}
FAILURE: JsonObject = {"code": "timeout", "message": "late", "retry_at": None}
TOLD: list[tuple[Any, JsonObject]] = [
    (Execution.Started, {}),
    (Execution.NodeStarted, {**NODE, **INTENT}),
    (Execution.NodeFailed, {**NODE, **FAILURE, **FREE}),
    (Execution.NodeCompleted, {**NODE, "path": "b", "output": {"n": 1}, "ports": ["x"], **FREE}),
    (Execution.Completed, {"output": {"n": 1}}),
]


def test_what_is_recorded_is_what_the_library_would_trigger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = Execution.Created.create_timestamp()
    monkeypatch.setattr(library, "datetime_now_with_tzinfo", lambda: now)
    ours, theirs = (begin_aggregate(Execution, UUID(int=1), BEGUN) for _ in range(2))
    for told, own in TOLD:
        ours.trigger_event(told, **own)
        BaseAggregate.trigger_event(theirs, told, **own)
        assert ours == theirs, told
        assert encoded(ours.pending_events[-1]) == encoded(theirs.pending_events[-1])


def test_nothing_is_recorded_with_a_field_too_few_or_too_many_or_another() -> None:
    run = begin_aggregate(Execution, UUID(int=1), BEGUN)
    wrong: list[tuple[Any, JsonObject]] = [
        (Execution.Started, {"other": 1}),
        (Execution.Completed, {}),
        (Execution.Paused, {"output": 1}),
        (Execution.Cancelled, {"why": None}),
    ]
    for told, own in wrong:
        with pytest.raises(TypeError, match="exactly these fields"):
            run.trigger_event(told, **own)
    with pytest.raises(TypeError, match="exactly these fields"):
        run.record(Execution.Completed, {"timestamp": run.created_on})
    assert len(run.pending_events) == 1
