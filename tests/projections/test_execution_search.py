"""Executions are found by every part of the filter, newest first, and only those of the tenant."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg import sql

from commands.bulk_port import ExecutionFilter
from domain.identifiers import TenantId
from projections.execution_search import PostgresExecutionSearch
from projections.executions import EXECUTIONS
from tests.projections.histories import IDS, a_tenant
from tests.projections.ledger import Ledger

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WORKFLOW = UUID(int=7)
BY_TYPE = {"bigint": 0, "integer": 0, "boolean": False, "timestamptz": NOON, "uuid": WORKFLOW}


async def a_row(ledger: Ledger, tenant_id: TenantId, **fields: object) -> UUID:
    """A row of the read model, whatever columns it has beside those that are looked at."""
    execution_id = IDS.new()
    row = {
        column.name: None if column.is_nullable else BY_TYPE.get(column.sql_type.lower(), "{}")
        for column in EXECUTIONS.columns
    }
    row |= {"tenant_id": tenant_id, "execution_id": execution_id, "status": "FAILED", **fields}
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(EXECUTIONS.table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() for _ in row),
    )
    await ledger.owner.execute(statement, list(row.values()))
    return execution_id


async def a_search(ledger: Ledger) -> PostgresExecutionSearch:
    return PostgresExecutionSearch(await ledger.database("api"))


async def test_pages_follow_each_other_from_the_newest_on(ledger: Ledger) -> None:
    tenant_id, search = a_tenant(), await a_search(ledger)
    made = [await a_row(ledger, tenant_id) for _ in range(3)]
    await a_row(ledger, a_tenant())
    wanted = ExecutionFilter()
    assert await search.find(tenant_id, wanted, after=None, limit=2) == [made[2], made[1]]
    assert await search.find(tenant_id, wanted, after=made[1], limit=2) == [made[0]]
    assert await search.count(tenant_id, wanted, limit=10) == 3
    assert await search.count(tenant_id, wanted, limit=2) == 2


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"status": "RUNNING"}, ExecutionFilter(("RUNNING",))),
        ({"status": "RUNNING"}, ExecutionFilter(("PAUSED", "RUNNING"))),
        ({"workflow_id": WORKFLOW}, ExecutionFilter(workflow_id=WORKFLOW)),
        ({"definition_hash": "cafe"}, ExecutionFilter(definition_hash="cafe")),
        ({"created_at": NOON + timedelta(hours=1)}, ExecutionFilter(created_after=NOON)),
        ({"created_at": NOON - timedelta(hours=1)}, ExecutionFilter(created_before=NOON)),
        (
            {"status": "RUNNING", "workflow_id": WORKFLOW, "created_at": NOON},
            ExecutionFilter(("RUNNING",), WORKFLOW, created_after=NOON - timedelta(seconds=1)),
        ),
    ],
)
async def test_only_what_has_all_that_is_wanted_is_found(
    ledger: Ledger, fields: dict[str, object], wanted: ExecutionFilter
) -> None:
    tenant_id, search = a_tenant(), await a_search(ledger)
    await a_row(ledger, tenant_id)
    execution_id = await a_row(ledger, tenant_id, **fields)
    assert await search.find(tenant_id, wanted, after=None, limit=10) == [execution_id]
    assert await search.count(tenant_id, wanted, limit=10) == 1
