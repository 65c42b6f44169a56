"""The log port: one suite, run on PostgreSQL itself and on a real Kafka with a real relay before
it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.ports import Log
from domain.identifiers import TenantId
from infra.kafka import KafkaLog
from infra.postgres_log import PostgresLog
from infra.relay import Relay
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, Recorder, append_streams, until

PARTITIONS = 4
LEASE_TTL_S = 2.0
NewLog = Callable[[], Log]


@pytest.fixture(params=["postgres", "kafka"])
async def new_log(request: pytest.FixtureRequest, parts: Parts) -> AsyncIterator[NewLog]:
    """Makes one member of the log after the other, as processes would."""
    if request.param == "postgres":
        database = await parts.database("relay")
        yield lambda: PostgresLog(
            database,
            parts.wakeups,
            member=IDS.new(),
            partitions_count=PARTITIONS,
            batch_events_max=50,
            poll_min_s=0.005,
            poll_max_s=0.1,
            pace_s=0.002,
            lease_ttl_s=LEASE_TTL_S,
        )
        return
    bootstrap = request.getfixturevalue("kafka_bootstrap")
    topic = f"log-{uuid4().hex}"
    relay = Relay(
        parts.conninfo("relay"),
        bootstrap,
        topic,
        parts.wakeups,
        partitions_count=PARTITIONS,
        batch_events_max=50,
        poll_min_s=0.005,
        poll_max_s=0.1,
        pace_s=0.002,
    )
    async with running(relay.run()):
        yield lambda: KafkaLog(
            bootstrap,
            topic,
            client_id=f"test-{uuid4().hex[:8]}",
            partitions_count=PARTITIONS,
            batch_events_max=50,
            pace_s=0.002,
        )


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def has_both(recorder: Recorder, streams: list[UUID]) -> bool:
    """The streams of append_streams are whole: nothing of them is still on its way."""
    return all(recorder.versions().get(stream) == [1, 2] for stream in streams)


def group() -> str:
    return f"group-{uuid4().hex[:8]}"


async def test_every_event_arrives_in_the_order_of_its_stream(
    parts: Parts, new_log: NewLog
) -> None:
    recorder = Recorder()
    async with running(new_log().consume(group(), recorder)):
        streams = await append_streams(parts.store, TenantId(IDS.new()), streams=200)
        await until(lambda: has_both(recorder, streams), "both versions")


async def test_a_consumer_that_comes_back_goes_on_where_it_was(
    parts: Parts, new_log: NewLog
) -> None:
    name, tenant_id = group(), TenantId(IDS.new())
    first = Recorder()
    async with running(new_log().consume(name, first)):
        before = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: has_both(first, before), "both versions of the first streams")
    second = Recorder(cursors=dict(first.cursors))
    async with running(new_log().consume(name, second)):
        after = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: has_both(second, after), "both versions of the later streams")
    assert not set(before) & set(second.versions())


async def test_a_consumer_from_the_end_sees_only_what_comes_later(
    parts: Parts, new_log: NewLog
) -> None:
    tenant_id = TenantId(IDS.new())
    name = group()
    early = await append_streams(parts.store, tenant_id, streams=5)
    # Until the log itself has the early ones, `the end` does not lie behind them.
    everything = Recorder()
    async with running(new_log().consume(group(), everything)):
        await until(lambda: set(early) <= set(everything.versions()), "the early streams")
    recorder = Recorder(from_end=True)
    async with running(new_log().consume(name, recorder)):
        await until(lambda: recorder.started_count == PARTITIONS, "the start of every partition")
        late = await append_streams(parts.store, tenant_id, streams=5)
        await until(lambda: set(late) <= set(recorder.versions()), "the late streams")
    assert not set(early) & set(recorder.versions())


async def test_two_members_share_the_partitions_and_together_miss_nothing(
    parts: Parts, new_log: NewLog
) -> None:
    name, tenant_id = group(), TenantId(IDS.new())
    one, two = Recorder(), Recorder()
    shared: dict[int, str] = {}
    one.cursors = two.cursors = shared
    async with running(new_log().consume(name, one)):
        await until(lambda: len(one.owned) == PARTITIONS, "the first member owns all")
        async with running(new_log().consume(name, two)):
            await until(
                lambda: len(one.owned) == len(two.owned) == PARTITIONS // 2, "half for each"
            )
            assert not one.owned & two.owned
            streams = await append_streams(parts.store, tenant_id, streams=50)
            await until(
                lambda: set(streams) <= set(one.versions()) | set(two.versions()), "every stream"
            )
        await until(lambda: len(one.owned) == PARTITIONS, "the first member owns all again")
        later = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: set(later) <= set(one.versions()), "what came after the second left")


async def test_a_batch_that_fails_is_delivered_again_to_the_next_run(
    parts: Parts, new_log: NewLog
) -> None:
    name, tenant_id = group(), TenantId(IDS.new())
    recorder = Recorder(fail_next=RuntimeError("not now"))
    streams = await append_streams(parts.store, tenant_id, streams=5)
    with pytest.raises((RuntimeError, ExceptionGroup)):
        await asyncio.wait_for(new_log().consume(name, recorder), 60)
    async with running(new_log().consume(name, recorder)):
        await until(lambda: set(streams) <= set(recorder.versions()), "the failed batch again")


async def test_a_consumer_of_some_topics_gets_their_events_and_no_other(
    parts: Parts, new_log: NewLog
) -> None:
    recorder = Recorder()
    consuming = new_log().consume(group(), recorder, topics=frozenset({"api_key.revoked"}))
    async with running(consuming):
        streams = await append_streams(parts.store, TenantId(IDS.new()), streams=200)
        await until(lambda: set(streams) <= set(recorder.versions()), "every stream")
    assert {event.topic for event in recorder.events} == {"api_key.revoked"}
    assert all(recorder.versions()[stream] == [2] for stream in streams)


async def test_a_consumer_of_some_topics_goes_on_where_it_was(
    parts: Parts, new_log: NewLog
) -> None:
    name, tenant_id, topics = group(), TenantId(IDS.new()), frozenset({"api_key.created"})
    first = Recorder()
    async with running(new_log().consume(name, first, topics=topics)):
        before = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: set(before) <= set(first.versions()), "the first streams")
    second = Recorder(cursors=dict(first.cursors))
    async with running(new_log().consume(name, second, topics=topics)):
        after = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: set(after) <= set(second.versions()), "the later streams")
    assert not set(before) & set(second.versions())


async def test_two_members_with_topics_share_the_partitions_and_miss_nothing(
    parts: Parts, new_log: NewLog
) -> None:
    name, topics = group(), frozenset({"api_key.revoked"})
    one, two = Recorder(), Recorder()
    one.cursors = two.cursors = {}
    async with (
        running(new_log().consume(name, one, topics=topics)),
        running(new_log().consume(name, two, topics=topics)),
    ):
        await until(lambda: len(one.owned) == len(two.owned) == PARTITIONS // 2, "half for each")
        streams = await append_streams(parts.store, TenantId(IDS.new()), streams=50)
        await until(
            lambda: set(streams) <= set(one.versions()) | set(two.versions()), "every stream"
        )


async def test_ownership_ends_with_the_consumer(parts: Parts, new_log: NewLog) -> None:
    del parts
    log, name, recorder = new_log(), group(), Recorder()
    async with running(log.consume(name, recorder)):
        await until(lambda: recorder.started_count == PARTITIONS, "all partitions")
        assert all(log.is_owned(name, partition) for partition in range(PARTITIONS))
    assert not any(log.is_owned(name, partition) for partition in range(PARTITIONS))
