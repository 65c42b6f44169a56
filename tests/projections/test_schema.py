"""The tables of the read models: made once, closed to other tenants, not writable by readers."""

import random

import psycopg
import pytest

from domain.identifiers import TenantId
from projections.catalogue import PROJECTIONS
from projections.schema import create_missing_tables
from tests.projections.histories import a_tenant
from tests.projections.ledger import Ledger, batches
from tests.projections.tenant_histories import random_streams

READ_MODELS = [projection.table for projection in PROJECTIONS]
TABLES = [*READ_MODELS, *(f"{table}_streams" for table in READ_MODELS)]


async def test_tables_are_made_once(ledger: Ledger) -> None:
    assert await create_missing_tables(ledger.owner) == []
    await ledger.fetch(
        "DROP TABLE executions_v5, executions_v5_streams, executions_v5_by_quarter,"
        " executions_v5_by_day"
    )
    assert await create_missing_tables(ledger.owner) == ["executions_v5"]


async def test_every_table_has_row_security_that_its_owner_cannot_pass(ledger: Ledger) -> None:
    closed = await ledger.fetch(
        "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relrowsecurity"
        " AND relforcerowsecurity AND relowner = 'agentledger_owner'::regrole",
        TABLES,
    )
    assert {row[0] for row in closed} == set(TABLES)


async def two_tenants(ledger: Ledger) -> tuple[TenantId, TenantId]:
    """With rows in every table."""
    draw, tenants = random.Random(5), (a_tenant(), a_tenant())
    for tenant_id in tenants:
        for stream in random_streams(draw, tenant_id, 5):
            await ledger.append(stream.events)
    await (await ledger.projector()).handle(batches(await ledger.log()))
    return tenants


async def test_a_reader_sees_its_own_tenant_and_without_one_nothing(ledger: Ledger) -> None:
    mine, _ = await two_tenants(ledger)
    api = await ledger.database("api")
    for table in READ_MODELS:
        query = f"SELECT array_agg(DISTINCT tenant_id) FROM {table}".encode()
        async with api.tenant_transaction(mine) as conn:
            assert await (await conn.execute(query)).fetchone() == ([mine],)
        async with api.connection() as conn:
            assert await (await conn.execute(query)).fetchone() == (None,)
        assert await ledger.scalar(f"SELECT count(DISTINCT tenant_id) FROM {table}") == 2


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("DELETE FROM {}", TABLES),
        ("UPDATE {} SET tenant_id = tenant_id", TABLES),
        ("SELECT * FROM {}", [f"{table}_streams" for table in READ_MODELS]),
    ],
)
async def test_a_reader_writes_nothing_and_reads_only_rows(
    ledger: Ledger, statement: str, tables: list[str]
) -> None:
    api = await ledger.database("api")
    for table in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with api.tenant_transaction(a_tenant()) as conn:
                await conn.execute(statement.format(table).encode())


@pytest.mark.parametrize("column", ["parent_id", "forked_from_id"])
async def test_the_children_and_forks_of_a_run_come_from_an_index_in_order(
    ledger: Ledger, column: str
) -> None:
    api = await ledger.database("api")
    query = (
        f"EXPLAIN SELECT * FROM executions_v5 AS c WHERE c.{column} = %s"  # a column of ours
        " ORDER BY c.execution_id LIMIT 100"
    )
    async with api.tenant_transaction(a_tenant()) as conn:
        # A table this small could be scanned as well; what matters is that the index can serve.
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_bitmapscan = off")
        cursor = await conn.execute(query.encode(), (a_tenant(),))
        plan = "\n".join(str(row) for row in await cursor.fetchall())
    assert f"executions_v5_tenant_id_{column}_execution_id_idx" in plan
    assert "Sort" not in plan, plan


async def test_a_table_that_is_older_than_its_policy_gets_the_policy_of_today(
    ledger: Ledger,
) -> None:
    policy = (
        "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
        " WHERE polrelid = 'agents_v1'::regclass AND polname = 'own_only'"
    )
    today = await ledger.scalar(policy)
    await ledger.fetch("ALTER POLICY own_only ON agents_v1 USING (true)")
    await ledger.fetch("COMMENT ON POLICY own_only ON agents_v1 IS NULL")
    assert await create_missing_tables(ledger.owner) == []
    assert await ledger.scalar(policy) == today


async def test_a_table_that_is_older_than_an_index_gets_the_index(ledger: Ledger) -> None:
    indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'executions_v5'"
    today = await ledger.scalar(indexes)
    await ledger.fetch("DROP INDEX executions_v5_tenant_id_created_by_execution_id_idx")
    await create_missing_tables(ledger.owner)
    assert await ledger.scalar(indexes) == today
    await create_missing_tables(ledger.owner)
    assert await ledger.scalar(indexes) == today
