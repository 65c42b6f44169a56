"""The executions that are not ended, as whoever drives them finds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class OpenExecution:
    tenant_id: TenantId
    execution_id: UUID
    wake_at: datetime | None


class OpenExecutions(Protocol):
    async def ready(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> Sequence[OpenExecution]:
        """One page of the executions that a worker owes their next step, oldest first, after an
        execution id.
        """
        ...

    async def due(
        self, shards: Sequence[int], *, until: datetime, limit: int
    ) -> Sequence[OpenExecution]:
        """The executions whose time comes until then, the earliest first."""
        ...
