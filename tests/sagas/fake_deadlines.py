"""Deadlines read off the side rows that the store kept; leases are never there."""

from datetime import datetime
from uuid import UUID

from commands.deadline_port import DeadlineKind, DueDeadline, StoredDeadline
from domain.identifiers import TenantId
from tests.commands.fakes import World


class FakeDeadlines:
    def __init__(self, world: World) -> None:
        self._world = world

    async def claim(self, lease_s: float, *, now: datetime) -> DueDeadline | None:
        del lease_s
        known: dict[tuple[TenantId, DeadlineKind, UUID], datetime | None] = {}
        for tenant_id, row in self._world.store.owned_side_rows:
            if isinstance(row, StoredDeadline):
                known[tenant_id, row.kind, row.subject_id] = row.due_at
        due = [(at, key) for key, at in known.items() if at is not None and at <= now]
        return DueDeadline(*min(due)[1]) if due else None

    async def release(self, deadline: DueDeadline, *, pause_s: float) -> None: ...
