"""Finds executions for what is done in bulk, in the read model: it lags, and only proposes."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from commands.bulk_port import ExecutionFilter
from domain.identifiers import TenantId
from infra.postgres import Database
from projections.executions import EXECUTIONS

# One status is an equality, so that the index on it gives the order too.
ONE_STATUS: LiteralString = "status = (%(statuses)s::text[])[1]"
CONDITIONS: dict[str, LiteralString] = {
    "statuses": "status = ANY(%(statuses)s::text[])",
    "workflow_id": "workflow_id = %(workflow_id)s",
    "definition_hash": "definition_hash = %(definition_hash)s",
    "created_after": "created_at > %(created_after)s",
    "created_before": "created_at < %(created_before)s",
}


class PostgresExecutionSearch:
    """Implements commands.bulk_port.ExecutionSearch. database: the role `api`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, tenant_id: TenantId, wanted: ExecutionFilter, *, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        query = sql.SQL("{} ORDER BY execution_id DESC LIMIT %(limit)s").format(
            _matching(wanted, after)
        )
        params = {**_params(wanted), "after": after, "limit": limit}
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(query, params)
            return [row[0] for row in await cursor.fetchall()]

    async def count(self, tenant_id: TenantId, wanted: ExecutionFilter, *, limit: int) -> int:
        query = sql.SQL("SELECT count(*) FROM ({} LIMIT %(limit)s) AS found").format(
            _matching(wanted, None)
        )
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(query, {**_params(wanted), "limit": limit})).fetchone()
        assert row is not None
        return row[0]


def _matching(wanted: ExecutionFilter, after: UUID | None) -> sql.Composed:
    """The table's tenant column leads its indexes; which tenant, only the database knows."""
    conditions: list[sql.SQL] = [sql.SQL("tenant_id = current_tenant()")]
    is_one_status = len(wanted.statuses or ()) == 1
    conditions += [
        sql.SQL(ONE_STATUS if name == "statuses" and is_one_status else condition)
        for name, condition in CONDITIONS.items()
        if getattr(wanted, name) is not None
    ]
    if after is not None:
        conditions.append(sql.SQL("execution_id < %(after)s"))
    return sql.SQL("SELECT execution_id FROM {} WHERE {}").format(
        sql.Identifier(EXECUTIONS.table), sql.SQL(" AND ").join(conditions)
    )


def _params(wanted: ExecutionFilter) -> dict[str, object]:
    params: dict[str, object] = {name: getattr(wanted, name) for name in CONDITIONS}
    # A tuple would be sent as a record.
    params["statuses"] = None if wanted.statuses is None else list(wanted.statuses)
    return params
