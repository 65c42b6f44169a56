"""The triggers that have to be looked at, and when. A row of the append that says so;
sagas/triggers.py looks. Adapter: infra/due_triggers.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class StoredDueTrigger:
    """In place of what was said before. due_at: None says that nobody has to look at it."""

    trigger_id: UUID
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueTrigger:
    """refused_with: the code of what refused it since it has been due, if it was tried before."""

    tenant_id: TenantId
    trigger_id: UUID
    due_at: datetime
    refused_with: str | None = None


class DueTriggers(Protocol):
    """Shared by workers: what one has claimed no other does until it is released, or the lease has
    run out. Those of tenants that are suspended or leave wait.
    """

    async def claim(self, lease_s: float, *, now: datetime, limit: int) -> Sequence[DueTrigger]:
        """Those that have been due for longest, of each tenant in turn."""
        ...

    async def release(
        self, due: DueTrigger, *, pause_s: float, refused_with: str | None = None
    ) -> None:
        """Nothing, when it is due at another time by now."""
        ...
