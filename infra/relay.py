"""The relay: PostgreSQL to Kafka, in commit order, never skipping.

One relay is active per shard range: it holds an advisory lock on the connection it reads with; the
others wait for it. A batch is acknowledged as a whole before the position moves. After any failure
the producer is thrown away and the relay begins again at the stored position, so an event can be
published twice but never out of order or not at all.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import LiteralString

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position, partition_of
from domain.identifiers import SHARDS_COUNT
from infra.connections import Connection
from infra.consumer import Pace
from infra.crash_points import reach
from infra.event_log import BEGINNING, read_commit_order
from infra.kafka import PROBE_TIMEOUT_S, discard, ensure_topic, producer
from infra.kafka_records import headers_of
from infra.metrics import METRICS
from infra.prepared_statements import PreparedStatements
from infra.readiness import Check
from infra.tracing import NO_SPAN, SpanBlock, is_on, messaging, root_span, sampled
from infra.wakeups import Wakeups

log = logging.getLogger(__name__)

LOCK_CLASS = 0x6167_6C72  # "aglr": the advisory locks of relays.
STANDBY_RETRY_S = 1.0
SEND_TIMEOUT_S = 30.0
# A stopped process keeps its session, and with it the lock; the server ends a session that is
# silent for so long.
LIMIT_SILENCE: LiteralString = "SET idle_session_timeout = '15s'"

# fmt: off
READ_POSITION: LiteralString = (
    "SELECT era, tx_id, notification_id FROM relay_positions"
    " WHERE topic = %s AND shard_range = %s"
)
MOVE_POSITION: LiteralString = (
    "INSERT INTO relay_positions (topic, shard_range, era, tx_id, notification_id)"
    " VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (topic, shard_range) DO UPDATE SET era = EXCLUDED.era, tx_id = EXCLUDED.tx_id,"
    " notification_id = EXCLUDED.notification_id, published_at = clock_timestamp()"
)
# fmt: on


class Relay:
    """first_shard..last_shard: the range it publishes. conninfo: the role `relay`."""

    def __init__(  # two servers, a range and the bounds, all named
        self,
        conninfo: str,
        bootstrap_servers: str,
        topic: str,
        wakeups: Wakeups,
        *,
        partitions_count: int,
        batch_events_max: int,
        poll_min_s: float,
        poll_max_s: float,
        pace_s: float,
        first_shard: int = 0,
        last_shard: int = SHARDS_COUNT - 1,
    ) -> None:
        self._conninfo = conninfo
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._wakeups = wakeups
        self._partitions_count = partitions_count
        self._batch_events_max = batch_events_max
        self._poll_min_s = poll_min_s
        self._poll_max_s = poll_max_s
        self._pace_s = pace_s
        self._shards = range(first_shard, last_shard + 1)
        self._range = f"{first_shard}-{last_shard}"
        self.is_active = False
        self.is_standing_by = False
        self._kafka: AIOKafkaProducer | None = None
        self.published_count = 0

    async def run(self) -> None:
        """Be the active relay or wait to become it, until cancelled. Raises on any failure: the
        caller restarts it.
        """
        await ensure_topic(
            self._bootstrap_servers, self._topic, partitions_count=self._partitions_count
        )
        async with await Connection.connect(self._conninfo, autocommit=True) as conn:
            await conn.execute(LIMIT_SILENCE)
            self.is_standing_by = True
            try:
                await self._become_active(conn)
            finally:
                self.is_standing_by = False
            kafka = producer(self._bootstrap_servers, f"relay-{self._range}")
            try:
                await kafka.start()
                self.is_active, self._kafka = True, kafka
                METRICS.store.relay_active.set(1)
                reach("relay.after_lock")
                await self._publish_for_ever(conn, kafka)
            finally:
                self.is_active, self._kafka = False, None
                METRICS.store.relay_active.set(0)
                await discard(kafka)

    async def check(self) -> Sequence[Check]:
        """Whether it could publish: it waits for its turn, or Kafka answers it."""
        if self.is_standing_by:
            return [Check("relay", is_ok=True, detail="standing by")]
        if self._kafka is None:
            return [Check("relay", is_ok=False, detail="not connected")]
        is_ok = False
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._kafka.client.fetch_all_metadata()
                is_ok = True
        detail = "publishing" if is_ok else "Kafka does not answer"
        return [Check("relay", is_ok, detail)]

    async def _become_active(self, conn: AsyncConnection) -> None:
        while True:
            cursor = await conn.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, self._shards.start)
            )
            row = await cursor.fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(STANDBY_RETRY_S)

    async def _publish_for_ever(self, conn: Connection, kafka: AIOKafkaProducer) -> None:
        position = await self._stored_position(conn)
        log.info("relay %s is active from %s", self._range, position)
        pause_s = self._poll_min_s
        shards = None if len(self._shards) == SHARDS_COUNT else list(self._shards)
        statements = PreparedStatements(conn)
        pace = Pace(self._pace_s)
        while True:
            await pace.wait()
            seen = self._wakeups.count
            events = await read_commit_order(
                statements, position, limit=self._batch_events_max, shards=shards
            )
            if events:
                reach("relay.before_send")
                with self._span(events):
                    await self._publish(kafka, events)
                position = events[-1].position
                reach("relay.after_acknowledgement")
                await self._move(conn, position)
                reach("relay.after_position")
                self.published_count += len(events)
                METRICS.store.relay_published.inc(len(events))
                pause_s = self._poll_min_s
                continue
            pause_s = min(pause_s * 2, self._poll_max_s)
            if self._wakeups.count != seen:
                pause_s = self._poll_min_s
                await asyncio.sleep(pause_s)
            else:
                await self._wakeups.wait(seen, pause_s)

    def _span(self, events: Sequence[LoggedEvent]) -> SpanBlock:
        """Of a batch in which somebody follows an event; what is stored with it is what goes on."""
        if not is_on() or not (links := sampled(event.traceparent for event in events)):
            return NO_SPAN
        attributes = {
            **messaging(self._topic, "publish"),
            "messaging.batch.message_count": len(events),
        }
        return root_span(f"publish {self._topic}", "producer", attributes, links=links)

    async def _publish(self, kafka: AIOKafkaProducer, events: Sequence[LoggedEvent]) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            sent: list[asyncio.Future[object]] = [
                await kafka.send(
                    self._topic,
                    value=event.state,
                    key=event.stream_id.bytes,
                    partition=partition_of(event.shard, self._partitions_count),
                    headers=headers_of(event),
                    timestamp_ms=int(event.recorded_at.timestamp() * 1000),
                )
                for event in events
            ]
            reach("relay.after_send")
            await asyncio.gather(*sent)

    async def _stored_position(self, conn: AsyncConnection) -> Position:
        row = await (await conn.execute(READ_POSITION, (self._topic, self._range))).fetchone()
        return BEGINNING if row is None else Position(int(row[0]), int(row[1]), int(row[2]))

    async def _move(self, conn: AsyncConnection, position: Position) -> None:
        await conn.execute(
            MOVE_POSITION,
            (
                self._topic,
                self._range,
                position.era,
                position.tx_id,
                position.notification_id,
            ),
        )
