"""UsageEvent: what a tenant counts itself, sent as CloudEvents. Each is a stream of its own, found
by its source and id, so that the same event is known again for ever.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import FieldError, Invalid, Refused
from domain.identifiers import Json, JsonObject, StreamId, TenantId
from domain.usage import METERS

AHEAD_MAX = timedelta(minutes=5)
AGE_MAX = timedelta(days=366)


class UsageEventConflict(Refused):
    """Another event was sent with this source and id; the first one counts."""

    code = "usage_event_conflict"


def usage_event_id(tenant_id: TenantId, source: str, event_id: str) -> StreamId:
    """Never changes: an event that is sent again is known by it."""
    return StreamId(uuid5(tenant_id, f"usage-event/{orjson.dumps([source, event_id]).decode()}"))


class UsageEvent(Aggregate):
    TOPIC = "usage_event"

    class Created(Aggregate.Created):
        """event_id: unique within its source, as its sender says. meter: its CloudEvents type.
        happened_at: RFC 3339. fingerprint: of all that was sent. usage: as domain/usage.py
        writes it. counters: of the budgets that it counts in (domain/budget_rules.py).
        """

        TOPIC = "usage_event.created"
        class_version = 2
        source: str
        event_id: str
        meter: str
        subject: str | None
        happened_at: str
        data: JsonObject
        fingerprint: str
        usage: JsonObject
        counters: list[Json]

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """There were no budgets."""
            state["counters"] = []

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        source: str,
        event_id: str,
        meter: str,  # noqa: ARG002 # only read models tell it
        subject: str | None,  # noqa: ARG002 # as above
        happened_at: str,  # noqa: ARG002 # as above
        data: JsonObject,  # noqa: ARG002 # as above
        fingerprint: str,
        usage: JsonObject,  # noqa: ARG002 # as above
        counters: list[Json],  # noqa: ARG002 # as above
    ) -> None:
        self.source = source
        self.event_id = event_id
        self.fingerprint = fingerprint

    def require_same(self, fingerprint: str) -> None:
        """Raises UsageEventConflict."""
        if fingerprint != self.fingerprint:
            raise UsageEventConflict(
                f"Another event was sent with the source {self.source} and the id {self.event_id};"
                " the first one counts, and none of this request."
            )


def fingerprint_of(sent: JsonObject) -> str:
    return hashlib.sha256(orjson.dumps(sent, option=orjson.OPT_SORT_KEYS)).hexdigest()


def mistakes_of(meter: str, happened_at: datetime, now: datetime, place: int) -> list[FieldError]:
    """Of an event that cannot be counted."""
    mistakes: list[FieldError] = []
    if meter in METERS:
        reason = "this meter is the platform's, and is counted by it"
        mistakes.append(FieldError(f"/{place}/type", "reserved", reason))
    if not now - AGE_MAX <= happened_at <= now + AHEAD_MAX:
        reason = f"at most {AGE_MAX.days} days ago, and not ahead"
        mistakes.append(FieldError(f"/{place}/time", "out_of_range", reason))
    return mistakes


def quantity_of(data: JsonObject) -> int:
    """What an event counts as; 1 unless it says how much."""
    quantity: Json = data.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise Invalid("data.quantity is a whole number")
    return quantity
