"""Which tenants somebody manages: a reseller its customers, the operator all."""

from typing import LiteralString
from uuid import UUID

from domain.identifiers import TenantId
from infra.postgres import Database

MANAGED: LiteralString = "SELECT tenant_id FROM managed_tenants(%s, %s, %s)"


async def managed_tenants(
    database: Database, reseller_id: TenantId | None, *, after: UUID, limit: int
) -> list[TenantId]:
    """Oldest first, after an id. reseller_id: None for the operator. database: the role `api`."""
    async with database.connection() as conn:
        rows = await (await conn.execute(MANAGED, (reseller_id, after, limit))).fetchall()
    return [TenantId(row[0]) for row in rows]
