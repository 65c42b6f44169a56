"""The executions that still owe an end, for the worker that owns their shards."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from commands.ports import OpenExecution
from domain.identifiers import TenantId
from infra.postgres import Database

FIRST_ID = UUID(int=0)

# fmt: off
OF_SHARDS: LiteralString = (
    "SELECT tenant_id, execution_id, wake_at FROM open_executions"
    " WHERE shard = ANY(%s) AND execution_id > %s ORDER BY execution_id LIMIT %s"
)
# fmt: on


class PostgresOpenExecutions:
    """Implements commands.ports.OpenExecutions. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_shards(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> list[OpenExecution]:
        async with self._database.connection() as conn:
            cursor = conn.cursor(binary=True)
            await cursor.execute(OF_SHARDS, (list(shards), after or FIRST_ID, limit))
            return [
                OpenExecution(TenantId(row[0]), row[1], row[2]) for row in await cursor.fetchall()
            ]
