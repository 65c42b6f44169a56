"""The check that every stored event reached Kafka in stream order; reads the topic once from its
beginning.
"""

from typing import LiteralString, cast
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg import AsyncConnection

from commands.ports import Position
from infra.kafka import Offsets, Records
from infra.kafka_records import ForeignRecord, event_of
from infra.postgres_log import cursor_text
from infra.verification import Check

POLL_MS = 100
PUBLISHED: LiteralString = (
    "SELECT era, tx_id, notification_id FROM relay_positions WHERE topic = %s"
    " ORDER BY era, tx_id, notification_id LIMIT 1"
)
PUBLISHED_COUNTS: LiteralString = (
    "SELECT originator_id, max(originator_version) FROM events"
    " WHERE (era, tx_id, notification_id) <= (%s, %s::text::xid8, %s) GROUP BY originator_id"
)


async def verify_published(conn: AsyncConnection, bootstrap_servers: str, topic: str) -> Check:
    """First occurrences of each stream must be versions 1, 2, 3 ... up to what the relay says it
    has published.
    """
    check = Check("every stored event reached Kafka in stream order")
    cursor = await conn.execute(PUBLISHED, (topic,))
    row = await cursor.fetchone()
    if row is None:
        return check
    published = Position(int(row[0]), int(row[1]), int(row[2]))
    versions = await _versions_in_topic(check, bootstrap_servers, topic)
    place = (published.era, str(published.tx_id), published.notification_id)
    async for stream_id, version in await conn.execute(PUBLISHED_COUNTS, place):
        check.checked += 1
        if versions.get(stream_id, 0) < version:
            found = versions.get(stream_id, 0)
            check.violated(
                f"{stream_id}: stored and published up to {version} by {cursor_text(published)},"
                f" Kafka has {found}"
            )
    return check


async def _versions_in_topic(check: Check, bootstrap_servers: str, topic: str) -> dict[UUID, int]:
    versions: dict[UUID, int] = {}
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        places: list[TopicPartition] = list(consumer.assignment())
        await consumer.seek_to_beginning(*places)
        ends = cast("Offsets", await consumer.end_offsets(places))
        while places:
            places = [place for place in places if await consumer.position(place) < ends[place]]
            found = cast("Records", await consumer.getmany(timeout_ms=POLL_MS))
            for records in found.values():
                for record in records:
                    try:
                        event = event_of(record)
                    except ForeignRecord as foreign:
                        check.violated(f"no relay has sent this: {foreign}")
                        continue
                    known = versions.get(event.stream_id, 0)
                    if event.version > known + 1:
                        check.violated(
                            f"{event.stream_id}: version {event.version} came after {known}"
                        )
                    versions[event.stream_id] = max(known, event.version)
    finally:
        await consumer.stop()
    return versions
