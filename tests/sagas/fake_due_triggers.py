"""Triggers that are due, read off the side rows that the store kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from commands.trigger_port import DueTrigger, StoredDueTrigger
from domain.identifiers import TenantId
from tests.commands.fakes import World


class FakeDueTriggers:
    """resting: until when, of what was released with a pause, and why."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.resting: dict[tuple[UUID, datetime], tuple[datetime, str | None]] = {}

    async def claim(self, lease_s: float, *, now: datetime, limit: int) -> Sequence[DueTrigger]:
        del lease_s
        rows: dict[UUID, tuple[TenantId, datetime | None]] = {}
        for tenant_id, row in self._world.store.owned_side_rows:
            if isinstance(row, StoredDueTrigger):
                rows[row.trigger_id] = (tenant_id, row.due_at)
        claimed: list[DueTrigger] = []
        for trigger_id, (tenant_id, due_at) in rows.items():
            if due_at is None or due_at > now:
                continue
            until, refused_with = self.resting.get((trigger_id, due_at), (due_at, None))
            if until <= now:
                claimed.append(DueTrigger(tenant_id, trigger_id, due_at, refused_with))
        return claimed[:limit]

    async def release(
        self, due: DueTrigger, *, pause_s: float, refused_with: str | None = None
    ) -> None:
        until = self._world.clock.now() + timedelta(seconds=pause_s)
        self.resting[due.trigger_id, due.due_at] = (until, refused_with or due.refused_with)
