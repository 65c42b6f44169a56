"""The runs that a worker finds, in PostgreSQL."""

from uuid import UUID

from infra.open_executions import PostgresOpenExecutions
from tests.infra.conftest import Parts
from tests.infra.test_standings import ALL_SHARDS, a_tenant, an_open_execution


async def test_the_oldest_are_found_first_page_by_page(parts: Parts) -> None:
    tenant = await a_tenant(parts)
    begun = [(await an_open_execution(parts, tenant, None)).id for _ in range(5)]
    open_executions = PostgresOpenExecutions(await parts.database("worker"))
    before = UUID(int=begun[0].int - 1)  # What other tests have left is older.
    first = await open_executions.ready(ALL_SHARDS, after=before, limit=3)
    rest = await open_executions.ready(ALL_SHARDS, after=first[-1].execution_id, limit=3)
    assert [one.execution_id for one in (*first, *rest)] == begun
