"""What removing payloads needs from the world: whose turn it is, and which streams may be due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId

# Rows are written in the transaction of the events that say so.


@dataclass(frozen=True, slots=True)
class StoredRetention:
    """payload_days: None keeps payloads for ever."""

    payload_days: int | None


@dataclass(frozen=True, slots=True)
class RemovedPayloads:
    """The payloads that lie beside the events of this execution go, as far as no other has them."""

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class DueRetention:
    """since: payloads of runs that began earlier lie in their events, and stay. after: how far the
    streams of the tenant were looked through; None is from the first.
    """

    tenant_id: TenantId
    payload_days: int
    since: datetime
    after: UUID | None


class Retentions(Protocol):
    async def claim(self, lease_s: float) -> DueRetention | None:
        """A tenant whose turn it is, for so long nobody else's."""
        ...

    async def streams(
        self, due: DueRetention, *, begun_before: datetime, limit: int
    ) -> Sequence[UUID]:
        """A page of the streams with payloads that began in time, in the order of their ids."""
        ...

    async def release(self, due: DueRetention, *, after: UUID | None, pause_s: float) -> None:
        """after: where to go on. pause_s: how long not to look again."""
        ...
