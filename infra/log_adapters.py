"""Which adapter of the log port a process has: Kafka where there is one, else PostgreSQL itself."""

from typing import TYPE_CHECKING
from uuid import UUID

from infra.postgres import Database
from infra.postgres_log import PostgresLog
from infra.settings import Settings
from infra.wakeups import Wakeups

if TYPE_CHECKING:
    from infra.kafka import KafkaLog


def build_log(
    settings: Settings,
    database: Database | None,
    wakeups: Wakeups,
    *,
    client_id: str,
    member: UUID,
) -> "KafkaLog | PostgresLog":
    """database: of the role `relay`; None where Kafka is the log."""
    if database is None:
        from infra.kafka import KafkaLog  # Brings the client of Kafka.

        assert settings.kafka_bootstrap_servers is not None
        return KafkaLog(
            settings.kafka_bootstrap_servers,
            settings.kafka_topic,
            client_id=client_id,
            partitions_count=settings.log_partitions,
            batch_events_max=settings.log_batch_events_max,
            pace_s=settings.log_pace_s,
        )
    return PostgresLog(
        database,
        wakeups,
        member=member,
        partitions_count=settings.log_partitions,
        batch_events_max=settings.log_batch_events_max,
        poll_min_s=settings.poll_min_s,
        poll_max_s=settings.poll_max_s,
        lease_ttl_s=settings.lease_ttl_s,
        pace_s=settings.log_pace_s,
    )
