"""One at a time, of what would otherwise change the same stream at once and be decided anew each
time.
"""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary


class Turns:
    """Of this process alone. Whoever waits is bounded by the rate limit in front of it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, stream_id: UUID) -> asyncio.Lock:
        """To be held while it is one's turn, and forgotten when nobody holds it."""
        return self._locks.setdefault(stream_id, asyncio.Lock())
