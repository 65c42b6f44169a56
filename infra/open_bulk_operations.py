"""The bulk operations that are not completed, leased to one worker at a time."""

from typing import LiteralString
from uuid import UUID

from commands.bulk_port import OpenBulkOperation
from domain.identifiers import TenantId
from infra.postgres import Database

# fmt: off
CLAIM: LiteralString = (
    "UPDATE open_bulk_operations"
    " SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE operation_id = (SELECT operation_id FROM open_bulk_operations AS o"
    "   WHERE leased_until <= clock_timestamp()"
    "     AND NOT EXISTS (SELECT FROM tenant_standings AS s"
    "                      WHERE s.tenant_id = o.tenant_id AND s.standing <> 'active')"
    "   ORDER BY leased_until, operation_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, operation_id, event_stored_with(tenant_id, era, tx_id, NULL, NULL)"
)
# At the end of the queue: operations take turns, so that a long one does not hold up the others.
RELEASE: LiteralString = (
    "UPDATE open_bulk_operations"
    " SET leased_until = clock_timestamp() + make_interval(secs => %s) WHERE operation_id = %s"
)
# fmt: on


class PostgresOpenBulkOperations:
    """Implements commands.bulk_port.OpenBulkOperations. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float) -> OpenBulkOperation | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s,))).fetchone()
        return None if row is None else OpenBulkOperation(TenantId(row[0]), *row[1:])

    async def release(self, operation_id: UUID, *, after_s: float = 0.0) -> None:
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (after_s, operation_id))
