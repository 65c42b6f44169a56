"""The reads of the log use the index of its order: a first page costs a page, not the log."""

from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection

from domain.identifiers import TenantId
from infra.event_log import (
    READ_COMMIT_ORDER,
    READ_COMMIT_ORDER_OF_SHARDS,
    READ_STREAM,
    READ_TOPICS,
)
from infra.event_places import BY_ID, OTHER_FOLLOWERS
from infra.event_search import (
    FOUND,
    IN_ORDER,
    OF_STREAM,
    OF_TENANT,
    EventFilter,
    search_params,
)
from infra.tail import READ_PLACES
from infra.unsealed_log import READ_UNSEALED
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, append_streams


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (READ_COMMIT_ORDER, (0, "0", 0, 100)),
        (READ_COMMIT_ORDER_OF_SHARDS, (0, "0", 0, [1, 2], 100)),
        (READ_PLACES, (0, "0", 0, 100)),
        (READ_UNSEALED, (0, "0", 0, 100)),
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


@pytest.mark.parametrize(
    ("search", "index"), [(OF_TENANT, "events_of_tenant"), (OF_STREAM, "events_pkey")]
)
async def test_a_search_reads_the_log_by_an_index_and_in_its_order(
    parts: Parts, search: LiteralString, index: str
) -> None:
    """As the role that searches, with row security, whose estimates are far too low."""
    tenant_id = TenantId(IDS.new())
    await append_streams(parts.store, tenant_id, streams=300)
    wanted = EventFilter(stream_id=IDS.new(), actor="user:ada")
    api = await parts.database("api")
    async with api.tenant_transaction(tenant_id) as conn:
        asked = await search_params(conn, tenant_id, wanted, None)
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute(IN_ORDER)
        cursor = await conn.execute("EXPLAIN (COSTS OFF) " + search + FOUND, {**asked, "limit": 50})
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    looked = plan.partition("CTE looked")[2].partition("CTE found")[0]
    assert index in looked, plan
    assert "Sort" not in looked, plan


@pytest.mark.parametrize(
    ("query", "index"), [(BY_ID, "events_by_id"), (OTHER_FOLLOWERS, "events_by_cause")]
)
async def test_causes_and_effects_in_other_streams_are_found_by_an_index(
    parts: Parts, query: LiteralString, index: str
) -> None:
    tenant_id = TenantId(IDS.new())
    await append_streams(parts.store, tenant_id, streams=30)
    asked = {"id": IDS.new(), "stream": IDS.new(), "limit": 9}
    api = await parts.database("api")
    async with api.tenant_transaction(tenant_id) as conn:
        await conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexonlyscan = off")
        cursor = await conn.execute("EXPLAIN (COSTS OFF) " + query, asked)
        assert index in "\n".join(row[0] for row in await cursor.fetchall())


async def test_a_stream_is_read_by_its_key_in_a_log_that_was_never_analyzed(
    parts: Parts, database_url: str
) -> None:
    """Without statistics the events of the tenant are taken for as few as those of the stream."""
    tenant_id = TenantId(IDS.new())
    streams = await append_streams(parts.store, tenant_id, streams=2000)
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("SELECT pg_clear_relation_stats('agentledger', 'events')")
        await owner.execute(
            "SELECT pg_clear_attribute_stats('agentledger', 'events', attname, false)"
            " FROM pg_stats WHERE schemaname = 'agentledger' AND tablename = 'events'"
        )
    api = await parts.database("api")
    async with api.tenant_transaction(tenant_id) as conn:
        found = await conn.execute(READ_STREAM, (tenant_id, next(iter(streams)), 0, 9))
        events_count = len(await found.fetchall())
        read = await conn.execute(
            "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index"
            " WHERE indrelid = 'agentledger.events'::regclass"
        )
        assert events_count > 0
        assert await read.fetchone() == (events_count,)


async def plan_of(database_url: str, query: LiteralString, params: tuple[Any, ...]) -> str:
    options = "-c search_path=agentledger,pg_catalog"
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options=options
    ) as conn:
        await conn.execute("ANALYZE events")
        # A table this small could be sorted as well; what matters is that the index can serve.
        await conn.execute("SET enable_sort = off")
        await conn.execute("SET enable_seqscan = off")
        await conn.execute("SET enable_bitmapscan = off")
        cursor = await conn.execute("EXPLAIN (COSTS OFF) " + query, params)
        return "\n".join(row[0] for row in await cursor.fetchall())
