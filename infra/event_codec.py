"""Events to stored bytes and back: the library's mapper over orjson, with an allow-list of topics.

The library resolves a topic by importing whatever it names; a stored topic is data, so only the
catalogue's count.
"""

from datetime import datetime
from uuid import UUID

import orjson
from eventsourcing.domain import Aggregate, AggregateEvent, DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from commands.ports import LoggedEvent
from domain.catalogue import AGGREGATES
from domain.identifiers import Json


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


class EventMapper(Mapper[UUID]):
    """The library's mapper; the timestamp, the one value that is not JSON, travels as RFC 3339
    text.
    """

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        if stored_event.topic not in TOPICS:
            raise UnknownTopic(stored_event.topic)
        fact = super().to_domain_event(stored_event)
        state = vars(fact)
        state["timestamp"] = datetime.fromisoformat(state["timestamp"])
        return fact


mapper = EventMapper(OrjsonTranscoder())


def decode(event: LoggedEvent) -> AggregateEvent:
    """The domain event as its newest class version. Raises UnknownTopic or
    MapperDeserialisationError.
    """
    fact = mapper.to_domain_event(
        StoredEvent(
            originator_id=event.stream_id,
            originator_version=event.version,
            topic=event.topic,
            state=event.state,
        )
    )
    assert isinstance(fact, AggregateEvent)
    return fact


def evolved(aggregate: Aggregate | None, event: LoggedEvent) -> Aggregate:
    """The aggregate one event later; None before its first."""
    after = decode(event).mutate(aggregate)
    assert after is not None
    return after
