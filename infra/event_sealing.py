"""Events as they lie in the log, sealed with their tenant's key, and as readers see them.

    append: JSON ──seal──► log ──► Kafka, untouched ──open──► whoever reads

What is of a data subject is sealed with the subject's key first (infra/personal_members.py). Bound
to tenant, stream and version, so that no stored event can stand for another. What was stored before
there were seals lies open and stays readable. Events of a tenant whose key is destroyed are
read as ERASED: they still count, and say nothing. Events of a data subject whose key is destroyed
are read without what was personal in them, and marked.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import orjson

from commands.ports import LoggedEvent
from commands.sealing_port import KeyDestroyed, Tampered
from domain.identifiers import TenantId
from infra.data_keys import DataKeys, TenantKey
from infra.event_codec import ERASED, UNSEALED_TOPICS
from infra.key_encryption import Scope
from infra.personal_members import ERASED_BEGINNING, ERASED_TOPICS, apart, erased, together
from infra.sealing import SUBJECT_MARK, Nested, is_sealed, nested_in

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


Stored = TypeVar("Stored", LoggedEvent, StoredFact)


class OpenedPage(NamedTuple, Generic[Stored]):
    """subject_ids: by its number in the page, whose an event is that is of a data subject."""

    events: Sequence[Stored]
    subject_ids: Mapping[int, UUID]


class EventSeals:
    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def opened(self, events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
        """The same events with their JSON. One that was tampered with stays as it is stored, which
        nobody can decode: it stops its own stream, and no other.
        """
        return (await self.opened_page(events)).events

    async def opened_page(self, events: Sequence[Stored]) -> OpenedPage[Stored]:
        """The same, and whose the events are."""
        # By number: to hash a UUID is a function of Python's, and here it is done for every event.
        keys: dict[int, TenantKey] = {}
        missing: set[Scope] = set()
        for event in events:
            if event.topic in UNSEALED_TOPICS:  # It says that the key is gone.
                self._keys.forget(event.tenant_id)
            if event.tenant_id.int not in keys:
                key = self._keys.kept(event.tenant_id)
                if key is None:
                    missing.add(Scope(event.tenant_id))
                else:
                    keys[event.tenant_id.int] = key
        if missing:
            found = await self._keys.of_all(missing)
            keys.update({scope.tenant_id.int: key for scope, key in found.items()})
        opened_events = [opened(event, keys[event.tenant_id.int]) for event in events]
        for event in opened_events:
            if event.topic in ERASED_TOPICS:
                self._forget_erased(event.state)
        return await self._with_personal(opened_events)

    def _forget_erased(self, state: bytes) -> None:
        """A stream says that the key of its subject is gone, and what was read before is to be read
        without it.
        """
        # Of a tenant that is gone, or tampered with: then it stops nobody else.
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            self._keys.forget(UUID(orjson.loads(state)["subject_id"]))

    async def _with_personal(self, events: list[Stored]) -> OpenedPage[Stored]:
        """The same events, with what is of data subjects put in its place."""
        marked = [n for n, event in enumerate(events) if event.state[:1] == SUBJECT_MARK]
        if not marked:
            return OpenedPage(events, {})
        inner = {n: _nested(events[n].state) for n in marked}
        scopes = {
            Scope(events[n].tenant_id, nested.subject_id)
            for n, nested in inner.items()
            if nested is not None and nested.sealed
        }
        keys = await self._keys.of_all(scopes)
        for n, nested in inner.items():
            if nested is not None:
                event = events[n]
                key = keys.get(Scope(event.tenant_id, nested.subject_id))
                bound_to = place(event.stream_id, event.version)
                events[n] = event._replace(state=_whole(nested, key, event.state, bound_to))
        subjects = {n: nested.subject_id for n, nested in inner.items() if nested is not None}
        return OpenedPage(events, subjects)

    async def opened_fact(self, fact: StoredFact) -> bytes:
        """The JSON of one event. Raises KeyDestroyed."""
        key = self._keys.kept(fact.tenant_id) or await self._keys.of(fact.tenant_id)
        state = _opened_state(fact, key)
        if state == ERASED:
            raise KeyDestroyed
        nested = _nested(state) if state[:1] == SUBJECT_MARK else None
        if nested is None:
            return state
        subject_key = await self._keys.of(fact.tenant_id, nested.subject_id)
        return _whole(nested, subject_key, state, place(fact.stream_id, fact.version))


def opened(event: Stored, key: TenantKey) -> Stored:
    """With the tenant's key only: what is of a data subject stays sealed in it."""
    state = _opened_state(event, key)
    return event if state is event.state else event._replace(state=state)


def opened_states(stored: Sequence[tuple[UUID, int, bytes]], key: TenantKey) -> list[bytes]:
    """The same for many events of one tenant, of which only these are known: their stream, version
    and state. Raises KeyDestroyed.
    """
    return key.cipher(EVENTS).open_all(
        [(state, place(stream_id, version)) for stream_id, version, state in stored]
    )


def _nested(state: bytes) -> Nested | None:
    try:
        return nested_in(state)
    except Tampered:
        return None


def _whole(nested: Nested, key: TenantKey | None, state: bytes, bound_to: bytes) -> bytes:
    """state: as it stays when it was tampered with."""
    if key is None or key.is_destroyed or not nested.sealed:
        return erased(nested.beside)
    try:
        personal = key.cipher(EVENTS).open(nested.sealed, bound_to)
    except Tampered:
        return state
    return together(nested.beside, personal)


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
    return stream_id.bytes + version_bytes(version)


def version_bytes(version: int) -> bytes:
    """Also as PostgreSQL takes them."""
    return version.to_bytes(8)


def sealed(topic: str, state: bytes, key: TenantKey, bound_to: bytes) -> bytes:
    """The stored bytes of an event. Raises KeyDestroyed."""
    return state if topic in UNSEALED_TOPICS else key.cipher(EVENTS).seal(state, bound_to)


def nested(topic: str, state: bytes, subject_key: TenantKey, bound_to: bytes) -> bytes:
    """What `sealed` is to seal of an event that is of a data subject. Of one who is erased only the
    facts are left.
    """
    parts = apart(topic, state)
    if parts is None:
        return state
    facts, personal = parts
    inner = b""
    if not subject_key.is_destroyed:
        inner = subject_key.cipher(EVENTS).seal(personal, bound_to)
    return Nested(subject_key.subject_id, inner, facts).joined()


def is_erased(event: LoggedEvent) -> bool:
    """Of an event that was opened."""
    return event.state == ERASED


def is_without_personal(event: LoggedEvent) -> bool:
    """Of an event that was opened: what is personal in it was erased."""
    return event.state.startswith(ERASED_BEGINNING)
