"""The executions that still owe an end, for the worker that owns their shards."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.open_executions_port import OpenExecution
from domain.identifiers import TenantId
from infra.postgres import Database

FIRST_ID = UUID(int=0)

# fmt: off
# Of tenants that are not suspended: their runs stand still.
NOT_HELD: LiteralString = (
    " AND NOT EXISTS (SELECT FROM tenant_standings AS s"
    " WHERE s.tenant_id = o.tenant_id AND s.standing <> 'active')"
)
READY: LiteralString = (
    "SELECT tenant_id, execution_id, wake_at FROM open_executions AS o"
    " WHERE shard = ANY(%s) AND wake_at IS NULL AND execution_id > %s" + NOT_HELD
    + " ORDER BY execution_id LIMIT %s"
)
DUE: LiteralString = (
    "SELECT tenant_id, execution_id, wake_at FROM open_executions AS o"
    " WHERE shard = ANY(%s) AND wake_at <= %s" + NOT_HELD + " ORDER BY wake_at LIMIT %s"
)
# fmt: on


class PostgresOpenExecutions:
    """Implements commands.ports.OpenExecutions. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ready(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> list[OpenExecution]:
        return await self._read(READY, (list(shards), after or FIRST_ID, limit))

    async def due(
        self, shards: Sequence[int], *, until: datetime, limit: int
    ) -> list[OpenExecution]:
        return await self._read(DUE, (list(shards), until, limit))

    async def _read(self, query: LiteralString, params: tuple[object, ...]) -> list[OpenExecution]:
        async with self._database.connection() as conn:
            cursor = conn.cursor(binary=True)
            await cursor.execute(query, params)
            return [
                OpenExecution(TenantId(row[0]), row[1], row[2]) for row in await cursor.fetchall()
            ]
