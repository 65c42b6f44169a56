"""The tenants that leave, as the saga that sees them off finds them. A port of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.identifiers import TenantId


class DueOffboarding(NamedTuple):
    """cause_id: the event that began it."""

    tenant_id: TenantId
    cause_id: UUID | None = None


class Offboardings(Protocol):
    """Shared by workers: what one has claimed no other does until it is released, or the lease has
    run out.
    """

    async def claim(self, lease_s: float, *, now: datetime) -> DueOffboarding | None:
        """The tenant whose grace has been over for longest, leased for so long."""
        ...

    async def release(self, tenant_id: TenantId, *, pause_s: float) -> None: ...

    async def open_executions(
        self, tenant_id: TenantId, *, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        """Of the tenant, not ended, oldest first."""
        ...
