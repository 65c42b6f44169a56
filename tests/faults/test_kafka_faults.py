"""Kafka goes away under the whole stack and comes back; and somebody else writes into our topic."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.broken import Broken
from tests.faults.conftest import PARTITIONS, use_kafka
from tests.faults.processes import pause
from tests.kafka.broker import Broker
from tests.kafka_broker import own_broker
from tests.maven import NoServer

pytestmark = pytest.mark.timeout(600)

OUTAGE_S = 20.0
FOREIGN: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
    (None, b"hello", []),
    (b"key", b"{}", [("topic", b"execution.created")]),
    (b"0123456789abcdef", None, [("topic", b"execution.created"), ("version", b"one")]),
    (b"0123456789abcdef", b"{}", [("topic", b"\xff"), ("position", b"1-2")]),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """One that these tests may kill."""
    try:
        own = own_broker()
    except NoServer as reason:
        pytest.fail(str(reason))
    try:
        yield own
    finally:
        own.stop()


@pytest.mark.parametrize("outage_s", [0.0, pytest.param(OUTAGE_S, marks=pytest.mark.slow)])
async def test_the_whole_stack_lives_through_an_outage_of_kafka(
    on_postgres: Broken, broker: Broker, outage_s: float
) -> None:
    use_kafka(on_postgres, broker.bootstrap_servers)
    on_postgres.installation.start("all")
    on_postgres.installation.start("serve", "worker")
    on_postgres.begin_runs()
    await on_postgres.all_runs_begun()
    on_postgres.begin_runs()
    await asyncio.to_thread(broker.kill)
    on_postgres.begin_runs()
    await pause(outage_s)
    await asyncio.to_thread(broker.restart)
    on_postgres.begin_runs()
    await on_postgres.require_everything_holds()


async def test_records_of_somebody_else_hold_up_nobody_and_are_found_by_verify(
    on_postgres: Broken, broker: Broker
) -> None:
    use_kafka(on_postgres, broker.bootstrap_servers)
    process = on_postgres.installation.start("all")
    on_postgres.begin_runs()
    await on_postgres.all_runs_begun()
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    topic = on_postgres.settings().kafka_topic
    for partition in range(PARTITIONS):
        for key, value, headers in FOREIGN:
            await producer.send_and_wait(
                topic, value, key=key, headers=headers, partition=partition
            )
    await producer.stop()
    on_postgres.begin_runs()
    await on_postgres.require_ended()
    process.ask_to_stop()
    await process.ended(wait_s=60)
    (found,) = [check for check in await on_postgres.checks() if not check.ok]
    assert found.name == "every stored event reached Kafka in stream order"
    assert found.violations_count == len(FOREIGN) * PARTITIONS
