"""Kafka goes away under load and comes back: nothing is lost, no stream is out of order."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from domain.identifiers import TenantId
from infra.consumer import keep_running
from infra.kafka import KafkaLog
from infra.kafka_verification import verify_published
from infra.relay import Relay
from tests.infra.conftest import Parts, conninfo, parts
from tests.infra.log_steps import IDS, Recorder, append_streams, until
from tests.kafka.broker import Broker
from tests.kafka_broker import own_broker
from tests.maven import NoServer

__all__ = ["conninfo", "parts"]

pytestmark = pytest.mark.timeout(600)

TOPIC = "outage"
PARTITIONS = 4
BACK_S = 120.0


@pytest.fixture
def broker() -> Iterator[Broker]:
    """One that this test may kill."""
    try:
        own = own_broker()
    except NoServer as reason:
        pytest.fail(str(reason))
    try:
        yield own
    finally:
        own.stop()


async def test_the_relay_publishes_everything_in_order_after_an_outage(
    parts: Parts, broker: Broker, database_url: str
) -> None:
    tenant_id = TenantId(IDS.new())
    recorder = Recorder()

    def relay() -> Relay:
        return Relay(
            parts.conninfo("relay"),
            broker.bootstrap_servers,
            TOPIC,
            parts.wakeups,
            partitions_count=PARTITIONS,
            batch_events_max=100,
            poll_min_s=0.005,
            poll_max_s=0.1,
            pace_s=0.002,
        )

    def log() -> KafkaLog:
        return KafkaLog(
            broker.bootstrap_servers,
            TOPIC,
            client_id="outage",
            partitions_count=PARTITIONS,
            batch_events_max=100,
            pace_s=0.002,
        )

    tasks = [
        asyncio.create_task(keep_running("relay", lambda: relay().run(), pause_max_s=1)),
        asyncio.create_task(
            keep_running("consumer", lambda: log().consume("outage", recorder), pause_max_s=1)
        ),
    ]
    try:
        before = await append_streams(parts.store, tenant_id, streams=100)
        await until(lambda: set(before) <= set(recorder.versions()), "the streams before")
        during = asyncio.create_task(append_streams(parts.store, tenant_id, streams=300))
        await asyncio.to_thread(broker.kill)
        meanwhile = await during
        await asyncio.to_thread(broker.restart)
        after = await append_streams(parts.store, tenant_id, streams=100)
        streams = [*before, *meanwhile, *after]
        await until(
            lambda: all(recorder.versions().get(stream) == [1, 2] for stream in streams),
            "every stream, whole and in order",
            wait_s=BACK_S,
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with await psycopg.AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        check = await verify_published(conn, broker.bootstrap_servers, TOPIC)
    assert check.checked == len(streams)
    assert check.ok, check.violations
