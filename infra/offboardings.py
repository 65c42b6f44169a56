"""The tenants that leave, leased to one worker at a time."""

from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.offboarding_port import DueOffboarding
from domain.identifiers import TenantId
from infra.postgres import Database

# fmt: off
CLAIM: LiteralString = (
    "UPDATE open_offboardings SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = (SELECT tenant_id FROM open_offboardings"
    "   WHERE due_at <= %s AND leased_until <= clock_timestamp()"
    "   ORDER BY due_at, tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, event_stored_with(tenant_id, era, tx_id, NULL, NULL)"
)
RELEASE: LiteralString = (
    "UPDATE open_offboardings SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = %s"
)
OPEN_EXECUTIONS: LiteralString = (
    "SELECT execution_id FROM open_executions WHERE tenant_id = %s AND execution_id > %s"
    " ORDER BY execution_id LIMIT %s"
)
FIRST_ID = UUID(int=0)
# fmt: on


class PostgresOffboardings:
    """Implements commands.offboarding_port.Offboardings. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float, *, now: datetime) -> DueOffboarding | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s, now))).fetchone()
        return None if row is None else DueOffboarding(TenantId(row[0]), row[1])

    async def release(self, tenant_id: TenantId, *, pause_s: float) -> None:
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (pause_s, tenant_id))

    async def open_executions(
        self, tenant_id: TenantId, *, after: UUID | None, limit: int
    ) -> list[UUID]:
        async with self._database.connection() as conn:
            cursor = await conn.execute(OPEN_EXECUTIONS, (tenant_id, after or FIRST_ID, limit))
            return [row[0] for row in await cursor.fetchall()]
