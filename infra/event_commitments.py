"""What the seals of the log commit to of an event's content, and how that is shown later.

The commitment hides the content behind a value that only the key of the tenant gives (an HMAC of
the event's place), or of the data subject whom the event is about. Whoever is given the event is
given that value too; once the key is destroyed it is gone, and the hashes that stay tell nothing.
"""

from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from commands.ports import LoggedEvent
from commands.sealing_port import Tampered
from domain.identifiers import TenantId
from infra.data_keys import DataKeys
from infra.event_codec import ERASED, UNSEALED_TOPICS
from infra.event_sealing import EVENTS, EventSeals, Stored, StoredFact, place
from infra.key_encryption import Scope
from infra.log_seals import BLINDING_BYTES, NO_COMMITMENT, Opening
from infra.personal_members import ERASED_TOPICS
from infra.sealing import Cipher, is_sealed
from infra.unsealed_log import BOUND_TO, TENANT, Unsealed

PURPOSE = "commitments"
# What says that a key is gone must be shown without it, and hides nothing.
NOT_HIDDEN = bytes(BLINDING_BYTES)
TELLS_OF_KEYS = UNSEALED_TOPICS | ERASED_TOPICS
JSON_BEGINNING = b"{"


class _Ciphers(NamedTuple):
    """Of a tenant: opens what is stored, and blinds what is in it."""

    opened: Callable[[bytes, bytes], bytes]
    blinding: Callable[[bytes], bytes]


class EventCommitments:
    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys
        self._seals = EventSeals(keys)

    async def commitments(self, events: Sequence[Unsealed]) -> Sequence[bytes]:
        """Of each, NO_COMMITMENT where it has no opening. What nearly all events are is done here,
        step by step, for this is done for every event; the rest by `openings`.
        """
        if any(event.topic in TELLS_OF_KEYS for event in events):
            return await self._by_openings(events)
        ciphers = await self._of_tenants({event.head[TENANT] for event in events})
        commitments: list[bytes] = []
        others: list[int] = []
        for n, (head, _, _, _, state) in enumerate(events):
            of_tenant = ciphers[head[TENANT]]
            content = b""
            if of_tenant is not None and is_sealed(state):
                try:
                    content = of_tenant.opened(state, head[BOUND_TO])
                except Tampered:
                    commitments.append(NO_COMMITMENT)
                    continue
            if of_tenant is not None and content[:1] == JSON_BEGINNING:
                blinding = of_tenant.blinding(head[BOUND_TO])
                commitments.append(sha256(blinding + content).digest())
            else:
                others.append(n)
                commitments.append(NO_COMMITMENT)
        if others:
            slowly = await self._by_openings([events[n] for n in others])
            for n, commitment in zip(others, slowly, strict=True):
                commitments[n] = commitment
        return commitments

    async def _of_tenants(self, tenants: Collection[bytes]) -> dict[bytes, _Ciphers | None]:
        """By the bytes of their ids."""
        scopes = [Scope(TenantId(UUID(bytes=tenant))) for tenant in tenants]
        keys = await self._keys.of_all(scopes)
        return {
            scope.tenant_id.bytes: None
            if key.is_destroyed
            else _Ciphers(key.cipher(EVENTS).open, key.cipher(PURPOSE).digest)
            for scope, key in keys.items()
        }

    async def _by_openings(self, events: Sequence[Unsealed]) -> list[bytes]:
        facts = [
            StoredFact(
                TenantId(event.tenant_id), event.stream_id, event.version, event.topic, event.state
            )
            for event in events
        ]
        return [
            NO_COMMITMENT if opening is None else opening.commitment
            for opening in await self.openings(facts)
        ]

    async def openings(self, stored: Sequence[Stored]) -> list[Opening | None]:
        """None for what cannot be read any more, or was tampered with."""
        opened, subject_ids = await self._seals.opened_page(stored)
        tenants = {event.tenant_id.int: event.tenant_id for event in opened}
        of_tenants = await self._ciphers([Scope(tenant) for tenant in tenants.values()])
        of_subjects: dict[int, Cipher | None] = {}
        if subject_ids:
            scopes = {n: Scope(opened[n].tenant_id, own) for n, own in subject_ids.items()}
            ciphers = await self._ciphers(set(scopes.values()))
            of_subjects = {n: ciphers[scope.key_id.int] for n, scope in scopes.items()}
        return [
            _opening(event, of_subjects[n] if n in of_subjects else of_tenants[event.tenant_id.int])
            for n, event in enumerate(opened)
        ]

    async def _ciphers(self, scopes: Collection[Scope]) -> dict[int, Cipher | None]:
        """By number: to hash a UUID is a function of Python's, and here it is done for every
        event.
        """
        keys = await self._keys.of_all(scopes)
        return {
            scope.key_id.int: None if key.is_destroyed else key.cipher(PURPOSE)
            for scope, key in keys.items()
        }


def _opening(event: LoggedEvent | StoredFact, cipher: Cipher | None) -> Opening | None:
    state = event.state
    if event.topic in UNSEALED_TOPICS:
        return Opening(NOT_HIDDEN, state)
    if cipher is None or state == ERASED or is_sealed(state):
        return None
    return Opening(cipher.digest(place(event.stream_id, event.version)), state)
