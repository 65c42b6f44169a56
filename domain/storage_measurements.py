"""StorageMeasurement: what a tenant kept on one day, counted when the day was over. Each day is a
stream of its own, found by its date, so that no day is counted twice.

Days are of UTC. What nobody counted (no worker ran the whole next day) is not charged.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.identifiers import JsonObject, StreamId, TenantId
from domain.rating import OWN_METERS, PriceSource, rate
from domain.usage import Metered

STORAGE_BYTES = "storage_bytes"
# (era, tx_id, notification_id): a place in the commit order of the log.
LogPlace: TypeAlias = tuple[int, int, int]
LOG_BEGINNING: LogPlace = (0, 0, 0)


class KeptBytes(NamedTuple):
    """payload_bytes: beside the log. log_bytes: of the events up to log_to, as they are stored."""

    payload_bytes: int
    log_bytes: int
    log_to: LogPlace


def storage_measurement_id(tenant_id: TenantId, day: date) -> StreamId:
    """Never changes: a day that was counted is known by it."""
    return StreamId(uuid5(tenant_id, f"storage/{day.isoformat()}"))


def end_of(day: date) -> datetime:
    """When it is over: its last instant is before that."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


class StorageMeasurement(Aggregate):
    TOPIC = "storage_measurement"

    class Created(Aggregate.Created):
        """day: as 2026-11-29. happened_at: RFC 3339, its last microsecond. log_to: the place up to
        which the log is in log_bytes; the next day goes on from it. usage: as domain/usage.py
        writes it.
        """

        TOPIC = "storage_measurement.created"
        day: str
        happened_at: str
        payload_bytes: int
        log_bytes: int
        log_to: list[int]
        usage: JsonObject

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        day: str,
        happened_at: str,  # noqa: ARG002 # only read models tell it
        payload_bytes: int,  # noqa: ARG002 # as above
        log_bytes: int,
        log_to: list[int],
        usage: JsonObject,  # noqa: ARG002 # as above
    ) -> None:
        self.day = day
        self.log_bytes = log_bytes
        self.log_to = log_to

    @property
    def log_place(self) -> LogPlace:
        era, tx_id, notification_id = self.log_to
        return era, tx_id, notification_id


def measured_storage(
    tenant_id: TenantId, day: date, kept: KeptBytes, sources: Sequence[PriceSource], *, by: str
) -> StorageMeasurement:
    """Charged where a price book sells it, and free elsewhere. by: the actor who counted."""
    counted = kept.payload_bytes + kept.log_bytes
    rated = rate({STORAGE_BYTES: counted}, OWN_METERS, sources)
    lines = rated.lines if rated.prices else [[STORAGE_BYTES, counted, 0]]
    metered = Metered("", "", None, "measured", rated.prices, lines)
    return StorageMeasurement(
        id=storage_measurement_id(tenant_id, day),
        day=day.isoformat(),
        happened_at=(end_of(day) - timedelta(microseconds=1)).isoformat(),
        payload_bytes=kept.payload_bytes,
        log_bytes=kept.log_bytes,
        log_to=[*kept.log_to],
        usage=metered.fact(workflow_id=None, created_by=by),
    )
