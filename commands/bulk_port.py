"""The ports of what is done in bulk: finding executions, and owning an operation while it lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Of executions; what is None does not matter. statuses: any of them.
    created_after, created_before: excluded.
    """

    statuses: tuple[str, ...] | None = None
    workflow_id: UUID | None = None
    definition_hash: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class ExecutionSearch(Protocol):
    """A view that lags: it proposes candidates, and each is decided from its events."""

    async def find(
        self, tenant_id: TenantId, wanted: ExecutionFilter, *, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        """One page, newest first, of those older than `after`."""
        ...

    async def count(self, tenant_id: TenantId, wanted: ExecutionFilter, *, limit: int) -> int:
        """At most `limit`."""
        ...


@dataclass(frozen=True, slots=True)
class OpenBulkOperation:
    """cause_id: the event that began it."""

    tenant_id: TenantId
    operation_id: UUID
    cause_id: UUID | None = None


class OpenBulkOperations(Protocol):
    """What is left to do, shared by all workers."""

    async def claim(self, lease_s: float) -> OpenBulkOperation | None:
        """One that nobody works on, the longest untouched first; ours until the lease ends."""
        ...

    async def release(self, operation_id: UUID, *, after_s: float = 0.0) -> None:
        """Others may go on with it, once that time is over. Nothing, when it has ended."""
        ...
