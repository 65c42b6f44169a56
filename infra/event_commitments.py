"""What the seals of the log commit to of an event's content, and how that is shown later.

The commitment hides the content behind a value that only the key of the tenant gives (an HMAC of
the event's place). Whoever is given the event is given that value too; once the key is destroyed it
is gone, and the hashes that stay tell nothing.
"""

from collections.abc import Sequence

from commands.ports import LoggedEvent
from infra.data_keys import DataKeys
from infra.event_codec import UNSEALED_TOPICS
from infra.event_sealing import EventSeals, is_erased, place
from infra.log_seals import BLINDING_BYTES, Opening
from infra.sealing import is_sealed

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
        keys = await self._keys.of_all({event.tenant_id for event in opened})
        openings: list[Opening | None] = []
        for event in opened:
            key = keys[event.tenant_id]
            if event.topic in UNSEALED_TOPICS:
                openings.append(Opening(NOT_HIDDEN, event.state))
            elif key.is_destroyed or is_erased(event) or is_sealed(event.state):
                openings.append(None)
            else:
                blinding = key.cipher(PURPOSE).digest(place(event.stream_id, event.version))
                openings.append(Opening(blinding, event.state))
        return openings
