"""What the seals of the log commit to of an event's content, and how that is shown later.

The commitment hides the content behind a value that only the key of the tenant gives (an HMAC of
the event's place), or of the data subject whom the event is about. Whoever is given the event is
given that value too; once the key is destroyed it is gone, and the hashes that stay tell nothing.
"""

from collections.abc import Collection, Sequence

from commands.ports import LoggedEvent
from infra.data_keys import DataKeys
from infra.event_codec import ERASED, UNSEALED_TOPICS
from infra.event_sealing import EventSeals, place
from infra.key_encryption import Scope
from infra.log_seals import BLINDING_BYTES, Opening
from infra.sealing import Cipher, is_sealed

PURPOSE = "commitments"
# What says that a key is gone must be shown without it, and hides nothing.
NOT_HIDDEN = bytes(BLINDING_BYTES)


class EventCommitments:
    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys
        self._seals = EventSeals(keys)

    async def openings(self, stored: Sequence[LoggedEvent]) -> list[Opening | None]:
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


def _opening(event: LoggedEvent, cipher: Cipher | None) -> Opening | None:
    state = event.state
    if event.topic in UNSEALED_TOPICS:
        return Opening(NOT_HIDDEN, state)
    if cipher is None or state == ERASED or is_sealed(state):
        return None
    return Opening(cipher.digest(place(event.stream_id, event.version)), state)
