"""Remembers for a few seconds what was found out about a caller, and forgets it at once when a
stream changes that it was made from.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

Found = TypeVar("Found")

REMEMBERED_MAX = 10_000
REMEMBERED_S = 5.0


class _Remembered(NamedTuple, Generic[Found]):
    found: Found
    streams: Sequence[UUID]
    until_s: float


class CallerMemory(Generic[Found]):
    """monotonic_s: a clock that never jumps."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[str, _Remembered[Found]] = OrderedDict()
        self._names: dict[UUID, set[str]] = {}
        # For each lookup on its way, the streams that were forgotten meanwhile.
        self._forgotten: dict[object, set[UUID]] = {}

    def recall(self, name: str) -> Found | None:
        remembered = self._remembered.get(name)
        if remembered is None or self._monotonic_s() >= remembered.until_s:
            return None
        return remembered.found

    @contextmanager
    def looking_up(self) -> Generator[set[UUID]]:
        """Around a lookup; for `remember`."""
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            yield forgotten
        finally:
            del self._forgotten[lookup]

    def remember(
        self, name: str, found: Found, *, streams: Sequence[UUID], forgotten: set[UUID]
    ) -> None:
        """streams: what it is made from. What was read may be older than a change that was told
        meanwhile; then it is not remembered.
        """
        if not forgotten.isdisjoint(streams):
            return
        self._drop(name)
        until_s = self._monotonic_s() + REMEMBERED_S
        self._remembered[name] = _Remembered(found, streams, until_s)
        for stream_id in streams:
            self._names.setdefault(stream_id, set()).add(name)
        if len(self._remembered) > REMEMBERED_MAX:
            self._drop(next(iter(self._remembered)))

    def forget(self, stream_id: UUID) -> None:
        for forgotten in self._forgotten.values():
            forgotten.add(stream_id)
        for name in self._names.pop(stream_id, ()):
            self._drop(name)

    def _drop(self, name: str) -> None:
        remembered = self._remembered.pop(name, None)
        if remembered is None:
            return
        for stream_id in remembered.streams:
            names = self._names.get(stream_id)
            if names is not None:
                names.discard(name)
                if not names:
                    del self._names[stream_id]
