"""The relay: one is active, the others wait; whoever comes after begins at the stored position."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from domain.identifiers import TenantId
from infra.kafka import KafkaLog
from infra.relay import Relay
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, Recorder, append_streams, until

PARTITIONS = 4


def a_relay(parts: Parts, kafka_bootstrap: str, topic: str) -> Relay:
    return Relay(
        parts.conninfo("relay"),
        kafka_bootstrap,
        topic,
        parts.wakeups,
        partitions_count=PARTITIONS,
        batch_events_max=50,
        poll_min_s=0.005,
        poll_max_s=0.1,
        pace_s=0.002,
    )


async def test_a_producer_that_could_not_start_is_closed(
    parts: Parts, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may go away at any moment, and the relay tries again for as long as it does."""
    begun: list[AIOKafkaProducer] = []
    ended: list[AIOKafkaProducer] = []
    stop = AIOKafkaProducer.stop

    async def refuse(kafka: AIOKafkaProducer) -> None:
        begun.append(kafka)
        raise KafkaConnectionError("gone")

    async def really_stop(kafka: AIOKafkaProducer) -> None:
        await stop(kafka)
        ended.append(kafka)

    monkeypatch.setattr(AIOKafkaProducer, "start", refuse)
    monkeypatch.setattr(AIOKafkaProducer, "stop", really_stop)
    with pytest.raises(KafkaConnectionError):
        await a_relay(parts, kafka_bootstrap, f"gone-{uuid4().hex}").run()
    assert begun == ended != []


async def test_a_standby_waits_for_the_active_relay_and_goes_on_where_it_stopped(
    parts: Parts, kafka_bootstrap: str
) -> None:
    topic = f"standby-{uuid4().hex}"
    tenant_id = TenantId(IDS.new())
    recorder = Recorder()
    relays = [a_relay(parts, kafka_bootstrap, topic) for _ in range(2)]
    log = KafkaLog(
        kafka_bootstrap,
        topic,
        client_id="standby",
        partitions_count=PARTITIONS,
        batch_events_max=50,
        pace_s=0.002,
    )
    first = asyncio.create_task(relays[0].run())
    await until(lambda: relays[0].is_active, "the first relay is active")
    second = asyncio.create_task(relays[1].run())
    consumer = asyncio.create_task(log.consume("standby", recorder))
    try:
        before = await append_streams(parts.store, tenant_id, streams=20)
        await until(lambda: set(before) <= set(recorder.versions()), "the streams before")
        assert (relays[0].is_active, relays[1].is_active) == (True, False)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        after = await append_streams(parts.store, tenant_id, streams=20)
        await until(
            lambda: all(recorder.versions().get(s) == [1, 2] for s in [*before, *after]),
            "every stream, by the second relay",
        )
        assert relays[1].is_active
    finally:
        for task in (first, second, consumer):
            task.cancel()
        await asyncio.gather(first, second, consumer, return_exceptions=True)
