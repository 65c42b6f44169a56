"""Time and identifiers of the real world; the only place that reads the clock or draws an id."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Uuid7Ids:
    def new(self) -> UUID:
        return uuid7()
