"""Events to stored bytes and back: the library's mapper over orjson, with an allow-list of topics.

The library resolves a topic by importing whatever it names; a stored topic is data, so only the
catalogue's count.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.domain import AggregateEvent, DomainEventProtocol
from eventsourcing.persistence import (
    Mapper,
    MapperDeserialisationError,
    StoredEvent,
    Transcoder,
)
from eventsourcing.utils import get_topic, resolve_topic

from commands.ports import LoggedEvent
from commands.sealing_port import KeyDestroyed
from domain.aggregates import Aggregate
from domain.catalogue import AGGREGATES
from domain.identifiers import Json
from domain.tenants import Tenant
from infra.personal_members import ERASED_MARK

# The state of an event whose key is destroyed, as readers see it (infra/event_sealing.py).
ERASED = b""


class UnknownTopic(Exception):
    """A stored event has a topic that no aggregate declares."""


class OrjsonTranscoder(Transcoder):
    """Events hold JSON-native values only (checked by the golden tests), so no type tags are
    needed.
    """

    def encode(self, obj: Json) -> bytes:
        return orjson.dumps(obj)

    def decode(self, data: bytes) -> Json:
        return orjson.loads(data)


def _topics(kind: type[Aggregate]) -> set[str]:
    topics = {
        getattr(member, "TOPIC", None) for member in vars(kind).values() if isinstance(member, type)
    }
    return {topic for topic in topics if isinstance(topic, str)}


TOPICS: frozenset[str] = frozenset(topic for kind in AGGREGATES for topic in _topics(kind))
# What must outlive the key of its tenant.
UNSEALED_TOPICS: frozenset[str] = frozenset({Tenant.KeyDestroyed.TOPIC, Tenant.Offboarded.TOPIC})


class EventMapper(Mapper[UUID]):
    """The library's mapper without what we do not use of it (ciphers, compression, ids as text);
    the bytes are the same. The timestamp, the one value that is not JSON, travels as RFC 3339 text.
    """

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        topic, state = encoded(domain_event)
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, topic, state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        stream_id = stored_event.originator_id
        assert isinstance(stream_id, UUID)
        return _decoded(
            stream_id, stored_event.originator_version, stored_event.topic, stored_event.state
        )


mapper = EventMapper(OrjsonTranscoder())


def encoded(event: DomainEventProtocol[UUID]) -> tuple[str, bytes]:
    """The topic and the stored bytes of an event."""
    topic, class_version = _identity(type(event))
    state = vars(event).copy()
    del state["originator_id"], state["originator_version"]
    if class_version > 1:
        state["class_version"] = class_version
    return topic, orjson.dumps(state)


def encoded_with(event: DomainEventProtocol[UUID], instead: Mapping[str, Json]) -> bytes:
    """The stored bytes of an event with other values for some of its members."""
    other = object.__new__(type(event))
    vars(other).update({**vars(event), **instead})
    return encoded(other)[1]


@cache
def _identity(kind: type[object]) -> tuple[str, int]:
    """The topic and the newest version of an event class."""
    return get_topic(kind), getattr(kind, "class_version", 1)


def _decoded(stream_id: UUID, version: int, topic: str, stored: bytes) -> DomainEventProtocol[UUID]:
    if topic not in TOPICS:
        raise UnknownTopic(topic)
    kind = resolve_topic(topic)
    try:
        state: dict[str, Any] = orjson.loads(stored)
    except orjson.JSONDecodeError as error:
        message = f"event {version} of {stream_id} ({topic}) cannot be read: {error}"
        raise MapperDeserialisationError(message) from error
    state.pop(ERASED_MARK, None)
    state["originator_id"] = stream_id
    state["originator_version"] = version
    _, class_version = _identity(kind)
    from_version = state.pop("class_version", 1)
    while from_version < class_version:
        getattr(kind, f"upcast_v{from_version}_v{from_version + 1}")(state)
        from_version += 1
    state["timestamp"] = datetime.fromisoformat(state["timestamp"])
    event = object.__new__(kind)
    object.__setattr__(event, "__dict__", state)
    return event


def decode(event: LoggedEvent) -> AggregateEvent:
    """The domain event as its newest class version. Raises UnknownTopic, KeyDestroyed or
    MapperDeserialisationError.
    """
    if event.state == ERASED:
        raise KeyDestroyed
    fact = _decoded(event.stream_id, event.version, event.topic, event.state)
    assert isinstance(fact, AggregateEvent)
    return fact


def evolved(aggregate: Aggregate | None, event: LoggedEvent) -> Aggregate:
    """The aggregate one event later; None before its first."""
    return mutated(aggregate, decode(event))


def mutated(aggregate: Aggregate | None, fact: AggregateEvent) -> Aggregate:
    """As evolved, of an event that is decoded."""
    after = fact.mutate(aggregate)
    assert after is not None
    return after
