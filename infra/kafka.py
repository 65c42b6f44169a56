"""The log port on Kafka (aiokafka)."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from commands.ports import Batch, LoggedEvent, LogHandler, Start
from infra.consumer import Pace
from infra.crash_points import reach
from infra.kafka_records import ForeignRecord, event_of

log = logging.getLogger(__name__)

STALLED_AFTER_S = 60.0
CHECK_PROGRESS_S = 5.0
POLL_MS = 200
# How long a member that says nothing is waited for.
SESSION_TIMEOUT_MS = 10_000
REPLICAS_MAX = 3
STOP_TIMEOUT_S = 10.0
COMMIT_EVERY_S = 1.0
# How long a broker is waited for when somebody asks whether it is there.
PROBE_TIMEOUT_S = 1.0

Records = Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]
Offsets = dict[TopicPartition, int]


class WrongPartitionsCount(Exception):
    """The Kafka topic has another number of partitions than the settings say."""


class ConsumerStalled(Exception):
    """Kafka has records for us and none arrived for a minute; the consumer must be made anew."""


async def ensure_topic(bootstrap_servers: str, topic: str, *, partitions_count: int) -> None:
    """Creates the topic when it is missing. Raises WrongPartitionsCount: another count would
    reorder streams.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
        replicas = min(REPLICAS_MAX, len(cluster["brokers"]))
        answer = await admin.create_topics(
            [NewTopic(topic, num_partitions=partitions_count, replication_factor=replicas)]
        )
        error = answer.to_object()["topic_errors"][0]
        code = int(error["error_code"])
        if code not in {NoError.errno, TopicAlreadyExistsError.errno}:
            raise for_code(code)(str(error))
        if code == NoError.errno:
            return
        (described,) = await admin.describe_topics([topic])
        found = len(described["partitions"])
        if found != partitions_count:
            message = f"topic {topic} has {found} partitions, the settings say {partitions_count}"
            raise WrongPartitionsCount(message)
    finally:
        await admin.close()


def producer(bootstrap_servers: str, client_id: str) -> AIOKafkaProducer:
    """Idempotent, acknowledged by all replicas, in order per partition; closed and made anew after
    any failure.
    """
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        client_id=client_id,
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        linger_ms=1,
        request_timeout_ms=15_000,
        max_request_size=4 * 1024 * 1024,
    )


async def discard(kafka: AIOKafkaProducer) -> None:
    """Ends a producer without sending what it holds.

    Its batches never expire, so that `stop` alone waits for as long as the broker is away; what was
    not acknowledged is published again from the stored position.
    """
    sending = kafka._sender.sender_task  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # aiokafka has no other way
    if sending is not None:
        sending.cancel()
    with contextlib.suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await kafka.stop()


@dataclass(eq=False)
class _Membership:
    """topics: as in the header `topic`; None is all."""

    consumer: AIOKafkaConsumer
    topics: frozenset[bytes] | None = None
    handling: asyncio.Lock = field(default_factory=asyncio.Lock)
    owned: set[int] = field(default_factory=set[int])
    is_joined: bool = False
    error: BaseException | None = None
    progressed_at: float = 0.0
    offsets: Offsets = field(default_factory=dict[TopicPartition, int])
    commit_at: float = 0.0


class KafkaLog:
    """Implements commands.ports.Log. Positions are kept by the handler, in PostgreSQL; the offsets
    committed to Kafka are a courtesy to lag tools and autoscalers.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        client_id: str,
        partitions_count: int,
        batch_events_max: int,
        pace_s: float,
    ) -> None:
        self.partitions_count = partitions_count
        self._pace_s = pace_s
        self._bootstrap_servers = bootstrap_servers
        self.topic = topic
        self._client_id = client_id
        self._batch_events_max = batch_events_max
        self._memberships: dict[str, _Membership] = {}

    def is_owned(self, group: str, partition: int) -> bool:
        membership = self._memberships.get(group)
        return membership is not None and partition in membership.owned

    def is_joined(self, group: str) -> bool:
        membership = self._memberships.get(group)
        return membership is not None and membership.is_joined

    async def is_connected(self, group: str) -> bool:
        """Asks the cluster: a consumer says nothing when its brokers are gone."""
        if not self.is_joined(group):
            return False
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._memberships[group].consumer.topics()
                return True
        return False

    def lags(self, group: str) -> Mapping[int, int]:
        """As of the last fetch."""
        if not self.is_joined(group):
            return {}
        membership = self._memberships[group]
        places = membership.offsets.keys() & membership.consumer.assignment()
        ends = {place: membership.consumer.highwater(place) for place in places}
        return {
            place.partition: max(0, end - membership.offsets[place])
            for place, end in ends.items()
            if end is not None
        }

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        await ensure_topic(
            self._bootstrap_servers, self.topic, partitions_count=self.partitions_count
        )
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            client_id=self._client_id,
            group_id=f"{self.topic}.{group}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 5,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=60_000,
            fetch_max_wait_ms=100,
        )
        wanted = None if topics is None else frozenset(topic.encode() for topic in topics)
        membership = _Membership(consumer, wanted)
        self._memberships[group] = membership
        listener = _Rebalance(self.topic, membership, handler)
        consumer.subscribe([self.topic], listener=listener)
        await consumer.start()
        membership.is_joined = True
        is_stopping = False
        try:
            await self._poll(membership, handler)
        except asyncio.CancelledError:
            is_stopping = True
            raise
        finally:
            membership.is_joined = False
            owned = sorted(membership.owned)
            membership.owned.clear()
            with contextlib.suppress(Exception):
                await handler.revoked(owned, at_once=not is_stopping)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await consumer.stop()

    async def _poll(self, membership: _Membership, handler: LogHandler) -> None:
        consumer = membership.consumer
        loop = asyncio.get_running_loop()
        membership.progressed_at = checked_at = loop.time()
        pace = Pace(self._pace_s)
        while True:
            records = cast(
                "Records",
                await consumer.getmany(timeout_ms=POLL_MS, max_records=self._batch_events_max),
            )
            if membership.error is not None:
                raise membership.error
            if records:
                await self._handle(membership, handler, records)
                await pace.wait()
                membership.progressed_at = loop.time()
            elif loop.time() - checked_at > CHECK_PROGRESS_S:
                checked_at = loop.time()
                await self._check_progress(membership)

    async def _handle(
        self,
        membership: _Membership,
        handler: LogHandler,
        records: Records,
    ) -> None:
        async with membership.handling:
            # A rebalance may have taken a partition between the fetch and now.
            own = {tp: found for tp, found in records.items() if tp.partition in membership.owned}
            batches = [
                Batch(tp.partition, events, f"{tp.topic}@{found[-1].offset + 1}")
                for tp, found in own.items()
                if (events := _events_of(found, membership.topics))
            ]
            if batches:
                reach("kafka_log.before_handling")
                await handler.handle(batches)
                reach("kafka_log.after_handling")
        membership.offsets.update({tp: found[-1].offset + 1 for tp, found in own.items()})
        await self._commit_offsets(membership)

    async def _commit_offsets(self, membership: _Membership) -> None:
        """For lag tools and autoscalers, so seldom: the positions that count are the handler's."""
        now = asyncio.get_running_loop().time()
        if now < membership.commit_at:
            return
        membership.commit_at = now + COMMIT_EVERY_S
        offsets = {
            tp: offset
            for tp, offset in membership.offsets.items()
            if tp.partition in membership.owned
        }
        if not offsets:
            return  # A rebalance took them all; aiokafka refuses to commit nothing.
        reach("kafka_log.before_acknowledgement")
        with contextlib.suppress(KafkaError):
            await membership.consumer.commit(offsets)
        reach("kafka_log.after_acknowledgement")

    async def _check_progress(self, membership: _Membership) -> None:
        """Aiokafka can stay silent after a broker restart (aiokafka#1154); then somebody must
        notice.
        """
        idle_s = asyncio.get_running_loop().time() - membership.progressed_at
        if idle_s < STALLED_AFTER_S:
            return
        consumer = membership.consumer
        ends = cast("Offsets", await consumer.end_offsets(list(consumer.assignment())))
        for tp, end in ends.items():
            if end > await consumer.position(tp):
                raise ConsumerStalled(str(tp))
        membership.progressed_at = asyncio.get_running_loop().time()


def _events_of(
    records: Sequence[ConsumerRecord[bytes, bytes]], topics: frozenset[bytes] | None
) -> list[LoggedEvent]:
    """A record of somebody else is left out: what it stands for, if anything, is not in the store,
    and waiting for it to go away would hold up everybody.
    """
    events: list[LoggedEvent] = []
    for record in records:
        if topics is not None and dict(record.headers).get("topic") not in topics:
            continue
        try:
            events.append(event_of(record))
        except ForeignRecord as foreign:
            log.error("a record that is no event is left out: %s", foreign)  # noqa: TRY400 # all is said
    return events


class _Rebalance(ConsumerRebalanceListener):
    """aiokafka only logs what a listener raises, so errors are kept for the poll loop."""

    def __init__(self, topic: str, membership: _Membership, handler: LogHandler) -> None:
        self._topic = topic
        self._membership = membership
        self._handler = handler

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] # may be async
        self, revoked: Sequence[TopicPartition]
    ) -> None:
        partitions = sorted(self._membership.owned & {tp.partition for tp in revoked})
        try:
            async with self._membership.handling:
                self._membership.owned.difference_update(partitions)
            if partitions:
                await self._handler.revoked(partitions)
        except BaseException as error:
            self._membership.error = error
            raise

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] # may be async
        self, assigned: Sequence[TopicPartition]
    ) -> None:
        partitions = sorted(tp.partition for tp in assigned)
        if not partitions:
            return
        try:
            starts = await self._handler.assigned(partitions)
            await self._seek(partitions, starts)
            self._membership.owned.update(partitions)
            await self._handler.started(partitions)
            reach("kafka_log.after_assignment")
        except BaseException as error:
            self._membership.error = error
            raise

    async def _seek(self, partitions: Sequence[int], starts: Mapping[int, Start]) -> None:
        """Explicit offsets: aiokafka's seek_to_beginning can wait for ever on a topic that was just
        made.
        """
        consumer = self._membership.consumer
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = cast("Offsets", await consumer.beginning_offsets(places))
        ends = cast("Offsets", await consumer.end_offsets(places))
        for place in places:
            start = starts.get(place.partition, Start())
            offset = ends[place] if start.from_end else begins[place]
            topic, _, next_offset = (start.cursor or "").rpartition("@")
            # A cursor of another topic or log says nothing here: then all is read again, and the
            # reader's fences skip what it knows.
            if topic == self._topic:
                offset = min(max(int(next_offset), begins[place]), ends[place])
            consumer.seek(place, offset)
