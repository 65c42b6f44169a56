"""The form in which an event travels through Kafka.

value: the stored bytes, untouched. key: the stream id (16 bytes). partition: shard modulo
partitions, chosen explicitly. headers: everything of the row that is not the payload, as text.
"""

from datetime import datetime
from uuid import UUID

from aiokafka import ConsumerRecord

from commands.ports import LoggedEvent
from domain.identifiers import Shard, TenantId
from infra.postgres_log import cursor_position, cursor_text

Header = tuple[str, bytes]


class ForeignRecord(Exception):
    """A record of the topic that no relay of ours has sent; the message says where it is."""


def headers_of(event: LoggedEvent) -> list[Header]:
    optional = {
        "command_id": event.command_id,
        "causation_id": event.causation_id,
        "correlation_id": event.correlation_id,
        "actor": event.actor,
        "traceparent": event.traceparent,
    }
    return [
        ("position", cursor_text(event.position).encode()),
        ("version", str(event.version).encode()),
        ("topic", event.topic.encode()),
        ("tenant_id", str(event.tenant_id).encode()),
        ("shard", str(event.shard).encode()),
        ("event_id", str(event.event_id).encode()),
        ("recorded_at", event.recorded_at.isoformat().encode()),
        *((name, str(value).encode()) for name, value in optional.items() if value is not None),
    ]


def event_of(record: ConsumerRecord[bytes, bytes]) -> LoggedEvent:
    """Raises ForeignRecord."""
    try:
        return _event_of(record)
    except (AssertionError, KeyError, ValueError) as error:
        place = f"{record.topic}, partition {record.partition}, offset {record.offset}"
        raise ForeignRecord(f"{place}: {error!r}") from error


def _event_of(record: ConsumerRecord[bytes, bytes]) -> LoggedEvent:
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key is not None
    assert record.value is not None
    return LoggedEvent(
        position=cursor_position(headers["position"]),
        stream_id=UUID(bytes=record.key),
        version=int(headers["version"]),
        topic=headers["topic"],
        state=record.value,
        tenant_id=TenantId(UUID(headers["tenant_id"])),
        shard=Shard(int(headers["shard"])),
        event_id=UUID(headers["event_id"]),
        actor=headers.get("actor"),
        command_id=_uuid(headers.get("command_id")),
        causation_id=_uuid(headers.get("causation_id")),
        correlation_id=_uuid(headers.get("correlation_id")),
        traceparent=headers.get("traceparent"),
        recorded_at=datetime.fromisoformat(headers["recorded_at"]),
    )


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None
