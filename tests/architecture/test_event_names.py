"""A stored event is read for ever: its topic and its fields are a promise.

The golden files under tests/golden/events hold one stored event of each topic and version. A field
that is added, renamed or dropped needs a new class version, an upcast and a golden file of its own;
the old file stays, and is read through the upcast.
"""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
import pytest
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import StoredEvent

from domain.aggregates import Aggregate
from domain.catalogue import AGGREGATES
from infra.event_codec import TOPICS, mapper
from tests.architecture.sources import ROOT, shown

GOLDEN = ROOT / "tests" / "golden" / "events"
SURROUNDINGS = {"originator_id", "originator_version", "originator_topic", "timestamp"}
SECRET = re.compile(r"password|secret|api_key|private|credential|(^|_)token$|access_token|bearer")
# Participles that do not end in -ed.
IRREGULAR = frozenset({"overridden", "overshot", "withdrawn", "paid"})


def events() -> dict[str, type[CanMutateAggregate[Any]]]:
    """Every event class by its topic."""
    found: dict[str, type[CanMutateAggregate[Any]]] = {}
    for aggregate in AGGREGATES:
        for event in events_of(aggregate):
            topic = topic_of(event)
            assert topic not in found, f"{topic} is the topic of two events"
            found[topic] = event
    return found


def events_of(aggregate: type[Aggregate]) -> list[type[CanMutateAggregate[Any]]]:
    return [
        member
        for name, member in vars(aggregate).items()
        if isinstance(member, type) and issubclass(member, CanMutateAggregate) and name != "Event"
    ]


def topic_of(event: type[Any]) -> str:
    return event.TOPIC


EVENTS = MappingProxyType(events())


def fields_of(event: type[Any]) -> set[str]:
    return set(event.__dataclass_fields__) - SURROUNDINGS


def golden_files(topic: str) -> list[Path]:
    """One per version: `<topic>.json`, `<topic>.v2.json`, ..."""
    version = getattr(EVENTS[topic], "class_version", 1)
    names = [topic, *(f"{topic}.v{number}" for number in range(2, version + 1))]
    return [GOLDEN / f"{name}.json" for name in names]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_a_topic_is_the_aggregate_and_a_past_participle(aggregate: type[Aggregate]) -> None:
    own = vars(aggregate)["TOPIC"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", own)
    for event in events_of(aggregate):
        prefix, _, words = topic_of(event).partition(".")
        assert prefix == own
        last = words.rpartition("_")[2]
        assert last.endswith("ed") or last in IRREGULAR, words
        assert words.replace("_", "") == event.__name__.lower()


def test_every_topic_can_be_read_and_no_other() -> None:
    assert set(EVENTS) == TOPICS


@pytest.mark.parametrize("topic", EVENTS)
def test_no_event_has_room_for_a_secret(topic: str) -> None:
    assert {field for field in fields_of(EVENTS[topic]) if SECRET.search(field)} == set()


@pytest.mark.parametrize("topic", EVENTS)
def test_the_golden_file_has_the_fields_of_the_event(topic: str) -> None:
    newest = orjson.loads(golden_files(topic)[-1].read_bytes())
    assert set(newest) - SURROUNDINGS - {"class_version"} == fields_of(EVENTS[topic])


@pytest.mark.parametrize("topic", EVENTS)
def test_every_version_that_was_ever_stored_can_be_read(topic: str) -> None:
    for path in golden_files(topic):
        stored = StoredEvent(UUID(int=1), 1, topic, path.read_bytes())
        event = mapper.to_domain_event(stored)
        assert type(event) is EVENTS[topic]
        assert fields_of(type(event)) <= vars(event).keys()


@pytest.mark.parametrize("topic", EVENTS)
def test_the_newest_version_is_stored_as_the_golden_file_says(topic: str) -> None:
    golden = golden_files(topic)[-1].read_bytes()
    event = mapper.to_domain_event(StoredEvent(UUID(int=1), 1, topic, golden))
    stored = mapper.to_stored_event(event)
    assert orjson.loads(stored.state) == orjson.loads(golden)


def test_there_is_no_golden_file_without_an_event() -> None:
    expected = {path for topic in EVENTS for path in golden_files(topic)}
    assert {shown(path) for path in GOLDEN.iterdir()} == {shown(path) for path in expected}
