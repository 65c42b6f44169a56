"""Deadlines: when time changes something of an aggregate that nobody else calls for it. A row of
the append that says so; sagas/deadlines.py gives the command when it has come. Adapter:
infra/deadlines.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from domain.identifiers import TenantId

DeadlineKind: TypeAlias = Literal["subscription", "credits", "licence", "payment", "embedding"]


@dataclass(frozen=True, slots=True)
class StoredDeadline:
    """In place of the one that the subject had. due_at: None takes it away."""

    kind: DeadlineKind
    subject_id: UUID
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueDeadline:
    tenant_id: TenantId
    kind: DeadlineKind
    subject_id: UUID


class Deadlines(Protocol):
    """Shared by workers: what one has claimed no other does until it is released, or the lease has
    run out.
    """

    async def claim(self, lease_s: float, *, now: datetime) -> DueDeadline | None:
        """The one that has been due for longest, leased for so long."""
        ...

    async def release(self, deadline: DueDeadline, *, pause_s: float) -> None: ...
