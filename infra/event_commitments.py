"""What the seals of the log commit to of an event's content, and how that is shown later.

The commitment hides the content behind a value that only the key of the tenant gives (an HMAC of
the event's place). Whoever is given the event is given that value too; once the key is destroyed it
is gone, and the hashes that stay tell nothing.
"""

from collections.abc import Sequence

from commands.ports import LoggedEvent
from infra.data_keys import DataKeys
from infra.event_codec import ERASED, UNSEALED_TOPICS
from infra.event_sealing import EventSeals, place
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
        opened = await self._seals.opened(stored)
        ciphers = await self._keys.ciphers({event.tenant_id for event in opened}, PURPOSE)
        # By number: to hash a UUID is a function of Python's, and here it is done for every event.
        by_number = {tenant_id.int: cipher for tenant_id, cipher in ciphers.items()}
        return [_opening(event, by_number[event.tenant_id.int]) for event in opened]


def _opening(event: LoggedEvent, cipher: Cipher | None) -> Opening | None:
    state = event.state
    if event.topic in UNSEALED_TOPICS:
        return Opening(NOT_HIDDEN, state)
    if cipher is None or state == ERASED or is_sealed(state):
        return None
    return Opening(cipher.digest(place(event.stream_id, event.version)), state)
