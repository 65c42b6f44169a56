"""Reading in commit order without a lock: a tailing reader never misses an event and never sees a
stream out of order.

This replaces the library's test that notification ids do not interleave: ours do, and the order is
another one.
"""

import asyncio

from domain.envelope import Envelope
from domain.identifiers import TenantId, shard_of
from infra.connections import Connection
from infra.event_log import BEGINNING, read_commit_order, read_end
from infra.prepared_statements import PreparedStatements
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, a_key, append_streams


async def test_a_reader_beside_many_writers_misses_nothing_and_keeps_every_stream_in_order(
    parts: Parts,
) -> None:
    tenant_id = TenantId(IDS.new())
    done = asyncio.Event()
    seen: list[tuple[object, int]] = []

    async def tail() -> None:
        async with await Connection.connect(parts.conninfo("relay"), autocommit=True) as reader:
            position = BEGINNING
            statements = PreparedStatements(reader)
            while True:
                was_done = done.is_set()
                page = await read_commit_order(statements, position, limit=37)
                for event in page:
                    assert event.position > position
                    position = event.position
                    if event.tenant_id == tenant_id:
                        seen.append((event.stream_id, event.version))
                if not page and was_done:
                    return

    reading = asyncio.create_task(tail())
    rounds = await asyncio.gather(
        *(append_streams(parts.store, tenant_id, streams=100) for _ in range(4))
    )
    done.set()
    await reading
    streams = {stream for found in rounds for stream in found}
    assert len(seen) == len(set(seen)) == 2 * len(streams)
    for stream in streams:
        assert [version for s, version in seen if s == stream] == [1, 2]


async def test_an_open_transaction_holds_readers_back_so_that_it_cannot_be_passed_over(
    parts: Parts, database_url: str
) -> None:
    tenant_id = TenantId(IDS.new())
    async with (
        await Connection.connect(database_url) as slow,
        await Connection.connect(parts.conninfo("relay"), autocommit=True) as reader,
    ):
        end = await read_end(reader)
        late = IDS.new()
        await slow.execute(
            "INSERT INTO agentledger.events (originator_id, shard, originator_version, topic,"
            " state, tenant_id)"
            " VALUES (%s, %s, 1, 'api_key.revoked', '{}', %s)",
            (late, shard_of(late), tenant_id),
        )
        (quick,) = await append_streams(parts.store, tenant_id, streams=1, revoke=False)
        assert await read_commit_order(PreparedStatements(reader), end, limit=10) == []
        await slow.commit()
        page = await read_commit_order(PreparedStatements(reader), end, limit=10)
        assert [event.stream_id for event in page] == [late, quick]


async def test_the_token_of_an_append_names_the_place_its_event_has_in_the_log(
    parts: Parts,
) -> None:
    tenant_id = TenantId(IDS.new())
    key = a_key()
    token = await parts.store.append([key], Envelope(tenant_id, "test"))
    assert token is not None
    async with await Connection.connect(parts.conninfo("relay"), autocommit=True) as reader:
        (event,) = [
            e
            for e in await read_commit_order(PreparedStatements(reader), BEGINNING, limit=5000)
            if e.stream_id == key.id
        ]
    assert token.positions() == {event.shard: event.position}


async def test_a_shard_filter_gives_exactly_the_streams_of_those_shards(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    await append_streams(parts.store, tenant_id, streams=100)
    async with await Connection.connect(parts.conninfo("relay"), autocommit=True) as reader:
        everything = await read_commit_order(PreparedStatements(reader), BEGINNING, limit=10_000)
        some = await read_commit_order(
            PreparedStatements(reader), BEGINNING, limit=10_000, shards=[1, 5, 63]
        )
    assert some == [event for event in everything if event.shard in {1, 5, 63}]
    assert {event.shard for event in everything} == {
        event.stream_id.int % 64 for event in everything
    }
