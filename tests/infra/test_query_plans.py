"""The reads of the log use the index of its order: a first page costs a page, not the log."""

from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection

from domain.identifiers import TenantId
from infra.event_log import READ_COMMIT_ORDER, READ_COMMIT_ORDER_OF_SHARDS, READ_TOPICS
from infra.tail import READ_PLACES
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, append_streams


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (READ_COMMIT_ORDER, (0, "0", 0, 100)),
        (READ_COMMIT_ORDER_OF_SHARDS, (0, "0", 0, [1, 2], 100)),
        (READ_PLACES, (0, "0", 0, 100)),
    ],
)
async def test_the_order_of_the_log_comes_from_its_index(
    parts: Parts, database_url: str, query: LiteralString, params: tuple[Any, ...]
) -> None:
    await append_streams(parts.store, TenantId(IDS.new()), streams=300)
    plan = await plan_of(database_url, query, params)
    assert "events_commit_order" in plan
    assert "Sort" not in plan, plan


async def test_the_events_of_some_topics_are_searched_in_the_index_of_the_order(
    parts: Parts, database_url: str
) -> None:
    await append_streams(parts.store, TenantId(IDS.new()), streams=300)
    plan = await plan_of(database_url, READ_TOPICS, (0, "0", 0, [1, 2], ["a", "b"], 100))
    inner = plan.partition("Limit")[2]
    assert "events_commit_order" in inner
    assert "Sort" not in inner, plan


async def plan_of(database_url: str, query: LiteralString, params: tuple[Any, ...]) -> str:
    options = "-c search_path=agentledger,pg_catalog"
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options=options
    ) as conn:
        await conn.execute("ANALYZE events")
        # A table this small could be sorted as well; what matters is that the index can serve.
        await conn.execute("SET enable_seqscan = off")
        await conn.execute("SET enable_bitmapscan = off")
        cursor = await conn.execute("EXPLAIN (COSTS OFF) " + query, params)
        return "\n".join(row[0] for row in await cursor.fetchall())
