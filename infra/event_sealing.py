"""Events as they lie in the log, sealed with their tenant's key, and as readers see them.

    append: JSON ──seal──► log ──► Kafka, untouched ──open──► whoever reads

Bound to tenant, stream and version, so that no stored event can stand for another. What was stored
before there were seals lies open and stays readable. Events of a tenant whose key is destroyed are
read as ERASED: they still count, and say nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias
from uuid import UUID

from commands.ports import LoggedEvent
from commands.sealing_port import KeyDestroyed, Tampered
from domain.identifiers import TenantId
from infra.data_keys import DataKeys, TenantKey
from infra.event_codec import ERASED, UNSEALED_TOPICS
from infra.sealing import is_sealed

EVENTS = "events"

# As EventSeals.opened.
OpenEvents: TypeAlias = Callable[[Sequence[LoggedEvent]], Awaitable[Sequence[LoggedEvent]]]


class StoredFact(NamedTuple):
    """As much of a stored event as it takes to open it."""

    tenant_id: TenantId
    stream_id: UUID
    version: int
    topic: str
    state: bytes


class EventSeals:
    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def opened(self, events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
        """The same events with their JSON. One that was tampered with stays as it is stored, which
        nobody can decode: it stops its own stream, and no other.
        """
        keys: dict[TenantId, TenantKey] = {}
        missing: set[TenantId] = set()
        for event in events:
            if event.topic in UNSEALED_TOPICS:  # It says that the key is gone.
                self._keys.forget(event.tenant_id)
            if event.tenant_id not in keys and event.tenant_id not in missing:
                key = self._keys.kept(event.tenant_id)
                if key is None:
                    missing.add(event.tenant_id)
                else:
                    keys[event.tenant_id] = key
        if missing:
            keys.update(await self._keys.of_all(missing))
        return [opened(event, keys[event.tenant_id]) for event in events]

    async def opened_fact(self, fact: StoredFact) -> bytes:
        """The JSON of one event. Raises KeyDestroyed."""
        key = self._keys.kept(fact.tenant_id) or await self._keys.of(fact.tenant_id)
        state = _opened_state(fact, key)
        if state == ERASED:
            raise KeyDestroyed
        return state


def opened(event: LoggedEvent, key: TenantKey) -> LoggedEvent:
    state = _opened_state(event, key)
    return event if state is event.state else event._replace(state=state)


def _opened_state(event: LoggedEvent | StoredFact, key: TenantKey) -> bytes:
    state = event.state
    if event.topic in UNSEALED_TOPICS:
        return state
    if key.is_destroyed:
        return ERASED
    if not is_sealed(state):
        return state
    try:
        return key.cipher(EVENTS).open(state, place(event.stream_id, event.version))
    except Tampered:
        return state


def place(stream_id: UUID, version: int) -> bytes:
    """What the seal of an event is bound to, beside its tenant."""
    return stream_id.bytes + version.to_bytes(8)


def sealed(topic: str, state: bytes, key: TenantKey, bound_to: bytes) -> bytes:
    """The stored bytes of an event. Raises KeyDestroyed."""
    return state if topic in UNSEALED_TOPICS else key.cipher(EVENTS).seal(state, bound_to)


def is_erased(event: LoggedEvent) -> bool:
    """Of an event that was opened."""
    return event.state == ERASED
