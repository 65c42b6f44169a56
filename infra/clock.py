"""Time and identifiers of the real world; the only place that reads the clock or draws an id."""

from datetime import UTC, datetime
from uuid import UUID, SafeUUID

from uuid_utils import uuid7

# A UUID is made slot by slot, because its constructor checks an int that needs no check: 1.3 us
# instead of 2.3 us, for every event.
_new = object.__new__
_set_int = vars(UUID)["int"].__set__
_set_is_safe = vars(UUID)["is_safe"].__set__
_UNKNOWN = SafeUUID.unknown


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Uuid7Ids:
    def new(self) -> UUID:
        made = _new(UUID)
        _set_int(made, uuid7().int)
        _set_is_safe(made, _UNKNOWN)
        return made

    def new_bytes(self) -> bytes:
        """Those of one, for what is stored without being looked at."""
        return uuid7().bytes
