"""What GraphQL sends to PostgreSQL finds its rows by the index of their tenant, with row security
on: a list costs a page, not the rows of all tenants.
"""

from collections.abc import Iterator
from typing import Any, LiteralString

import orjson
import pytest
from psycopg import AsyncConnection

from domain.identifiers import JsonObject, TenantId
from read_api.schema import build_schema
from tests.end_to_end.surface import Fields
from tests.projections.histories import IDS, an_agent, the_tenant
from tests.read_api.api import Api

# Tables without a tenant, and functions in the place of tables.
NOT_OF_A_TENANT = {"projection_positions", "relay_positions"}


class Overheard:
    """Keeps what is sent for a tenant."""

    def __init__(self) -> None:
        self.sent: list[tuple[LiteralString, JsonObject]] = []


@pytest.fixture
def overheard(api: Api, monkeypatch: pytest.MonkeyPatch) -> Overheard:
    kept = Overheard()
    send = api.database.tenant_json

    async def overhear(
        tenant_id: TenantId, query: LiteralString, params: JsonObject, **bound: Any
    ) -> Any:
        kept.sent.append((query, params))
        return await send(tenant_id, query, params, **bound)

    monkeypatch.setattr(api.database, "tenant_json", overhear)
    return kept


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def plan_of(
    conn: AsyncConnection, query: LiteralString, params: JsonObject
) -> dict[str, Any]:
    await conn.execute(("PREPARE asked(jsonb) AS " + query).encode())
    argument = orjson.dumps(params).decode().replace("'", "''")
    explained = await conn.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked('{argument}')".encode())
    row = await explained.fetchone()
    await conn.execute("DEALLOCATE asked")
    assert row is not None
    return row[0][0]["Plan"]


async def test_every_root_field_reads_by_the_index_of_its_tenant(
    api: Api, overheard: Overheard
) -> None:
    await api.happened(the_tenant(api.tenant_id), an_agent(api.tenant_id))
    schema = build_schema().introspect()["__schema"]
    for _, query in Fields(schema).queries([str(IDS.new())]):
        await api.ask(query)
    assert len(overheard.sent) >= 8
    tables: set[str] = set()
    async with api.database.tenant_transaction(api.tenant_id) as conn:
        # Tables this small would be read whole; what matters is that the index can serve.
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_bitmapscan = off")
        for query, params in overheard.sent:
            plan = await plan_of(conn, query, params)
            for node in nodes(plan):
                table = node.get("Relation Name")
                if table is None or table in NOT_OF_A_TENANT:
                    continue
                tables.add(table)
                assert "tenant_id" in node.get("Index Cond", ""), (table, node, query)
    assert len(tables) >= 6


async def test_rare_statuses_are_not_looked_for_among_all_runs(
    api: Api, overheard: Overheard
) -> None:
    """But each by itself on the index of statuses, which also has the order of a page."""
    query = """query($few: ExecutionFilter) {
      executions(filter: $few, first: 5) { edges { cursor node { id status } } } }"""
    await api.read(query, few={"status": ["NEEDS_ATTENTION", "PAUSED"]})
    sent, params = overheard.sent[-1]
    async with api.database.tenant_transaction(api.tenant_id) as conn:
        for way in ("seqscan", "bitmapscan"):
            await conn.execute(f"SET LOCAL enable_{way} = off".encode())
        plan = await plan_of(conn, sent, params)
    scans = [
        node for node in nodes(plan) if node.get("Relation Name", "").startswith("executions_")
    ]
    assert ["status" in node["Index Cond"] for node in scans] == [True]
    assert "= ANY" not in scans[0]["Index Cond"]
