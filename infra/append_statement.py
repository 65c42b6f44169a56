"""The one statement that stores a batch of appends, and its parameters: one array per column.

The arrays are put together here in PostgreSQL's binary form (array_send), because psycopg makes
them element by element, in Python (docs/decisions/0012).
"""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

from commands.ports import PositionToken
from domain.envelope import Envelope
from domain.identifiers import shard_of
from infra.payload_offloading import Blob
from infra.side_rows import SideStatement

# One statement: the events and the rows that must never exist without them. Rows of commands and
# executions are the frequent ones; rarer rows follow as statements of the same transaction
# (infra/side_rows.py).
APPEND: LiteralString = """
WITH appended AS (
  INSERT INTO events (originator_id, originator_version, topic, state, event_id, tenant_id,
                      command_id, causation_id, correlation_id, actor, traceparent)
  SELECT originator_id, originator_version, topic, state, event_id, tenant_id,
         command_id, causation_id, correlation_id, actor, traceparent
    FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], %b::uuid[], %b::uuid[],
                %b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::text[])
         WITH ORDINALITY AS row (
           originator_id, originator_version, topic, state, event_id, tenant_id,
           command_id, causation_id, correlation_id, actor, traceparent, place)
   ORDER BY place
  RETURNING era, tx_id, notification_id
), recorded AS (
  INSERT INTO commands (tenant_id, command_id, fingerprint, result, events_count)
  SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bytea[], %b::bytea[], %b::bigint[])
), opened AS (
  INSERT INTO open_executions (tenant_id, execution_id, shard, wake_at)
  SELECT tenant_id, execution_id, shard_of(execution_id), wake_at
    FROM unnest(%b::uuid[], %b::uuid[], %b::timestamptz[]) AS row (tenant_id, execution_id, wake_at)
  ON CONFLICT (execution_id) DO UPDATE SET wake_at = EXCLUDED.wake_at
), closed AS (
  DELETE FROM open_executions WHERE execution_id = ANY(%b::uuid[])
)
SELECT min(era), min(tx_id)::text::bigint, array_agg(notification_id) FROM appended
"""

# (stream id, version, topic, state, event id)
EventRow = tuple[UUID, int, str, bytes, UUID]
# (command id, fingerprint, result, how many events)
CommandRow = tuple[UUID, bytes, bytes, int]
# (execution id, when to look again)
OpenedRow = tuple[UUID, datetime | None]


@dataclass(slots=True)
class Append:
    """What one caller wants stored, all or nothing."""

    envelope: Envelope
    events: Sequence[EventRow]
    commands: Sequence[CommandRow] = ()
    opened: Sequence[OpenedRow] = ()
    closed: Sequence[UUID] = ()
    rare: Sequence[SideStatement] = ()
    blobs: Sequence[Blob] = ()
    overdue_at: float = 0.0
    stored: asyncio.Future[PositionToken | None] = field(init=False)
    bytes_count: int = field(init=False)

    def __post_init__(self) -> None:
        self.stored = asyncio.get_running_loop().create_future()
        self.bytes_count = sum([len(row[3]) for row in self.events])
        self.bytes_count += sum([len(blob.content) for blob in self.blobs])

    def token(self, era: int, tx_id: int, notification_ids: Sequence[int]) -> PositionToken | None:
        """The token of this append, given the notification ids of its events in order."""
        if not self.events:
            return None
        places = {
            shard_of(row[0]): notification_id
            for row, notification_id in zip(self.events, notification_ids, strict=True)
        }
        return PositionToken(era, tx_id, places)

    def succeed(self, token: PositionToken | None) -> None:
        if not self.stored.done():
            self.stored.set_result(token)

    def fail(self, error: Exception) -> None:
        if not self.stored.done():
            self.stored.set_exception(error)


class BinaryArray(bytes):
    """An array in PostgreSQL's binary form; the statement names its type by a cast."""

    __slots__ = ()


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> Buffer:
        return obj


class _BigintArray(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> tuple[int, ...]:
        count = (len(data) - ARRAY_HEAD.size) // BIGINT_ELEMENT_BYTES
        return struct.unpack_from("!" + "4xq" * count, data, ARRAY_HEAD.size)


BIGINT_ARRAY_OID = 1016
BIGINT_ELEMENT_BYTES = 12


def adapt(conn: AsyncConnection) -> None:
    """Makes a connection send and read the arrays of APPEND."""
    conn.adapters.register_dumper(BinaryArray, _AsItIs)
    conn.adapters.register_loader(BIGINT_ARRAY_OID, _BigintArray)


def append_params(batch: Sequence[Append]) -> list[BinaryArray]:
    """The arrays of APPEND, one per column."""
    return [*_event_columns(batch), *_command_columns(batch), *_execution_columns(batch)]


def _event_columns(batch: Sequence[Append]) -> list[BinaryArray]:
    rows = [row for append in batch for row in append.events]
    count = len(rows)
    around = [_surroundings(append.envelope, len(append.events)) for append in batch]
    states = [part for row in rows for part in (LENGTH(len(row[3])), row[3])]
    return [
        _array(UUID_OID, count, [UUID_LENGTH + row[0].int.to_bytes(16) for row in rows]),
        _array(BIGINT_OID, count, [BIGINT(8, row[1]) for row in rows]),
        _array(TEXT_OID, count, [_short_text(row[2]) for row in rows]),
        _array(BYTEA_OID, count, states),
        _array(UUID_OID, count, [UUID_LENGTH + row[4].int.to_bytes(16) for row in rows]),
        _array(UUID_OID, count, [own[0] for own in around]),
        _array(UUID_OID, count, [own[1] for own in around]),
        _array(UUID_OID, count, [own[2] for own in around]),
        _array(UUID_OID, count, [own[3] for own in around]),
        _array(TEXT_OID, count, [own[4] for own in around]),
        _array(TEXT_OID, count, [own[5] for own in around]),
    ]


def _surroundings(envelope: Envelope, times: int) -> tuple[bytes, ...]:
    """What all events of an append have in common, once for each of them."""
    return (
        _uuid(envelope.tenant_id) * times,
        _uuid(envelope.command_id) * times,
        _uuid(envelope.causation_id) * times,
        _uuid(envelope.correlation_id) * times,
        _short_text(envelope.actor) * times,
        _text(envelope.traceparent) * times,
    )


def _command_columns(batch: Sequence[Append]) -> list[BinaryArray]:
    rows = [
        (_uuid(append.envelope.tenant_id), _uuid(row[0]), _bytes(row[1]), _bytes(row[2]), row[3])
        for append in batch
        for row in append.commands
    ]
    count = len(rows)
    return [
        _array(UUID_OID, count, [row[0] for row in rows]),
        _array(UUID_OID, count, [row[1] for row in rows]),
        _array(BYTEA_OID, count, [row[2] for row in rows]),
        _array(BYTEA_OID, count, [row[3] for row in rows]),
        _array(BIGINT_OID, count, [_bigint(row[4]) for row in rows]),
    ]


def _execution_columns(batch: Sequence[Append]) -> list[BinaryArray]:
    opened = [(append.envelope.tenant_id, *row) for append in batch for row in append.opened]
    closed = [_uuid(execution_id) for append in batch for execution_id in append.closed]
    return [
        _array(UUID_OID, len(opened), [_uuid(row[0]) for row in opened]),
        _array(UUID_OID, len(opened), [_uuid(row[1]) for row in opened]),
        _array(TIMESTAMPTZ_OID, len(opened), [_time(row[2]) for row in opened]),
        _array(UUID_OID, len(closed), closed),
    ]


# The binary form: a head, then every element behind its length.
ARRAY_HEAD = struct.Struct("!iiIii")  # dimensions, whether nulls may follow, type, count, first
EMPTY_HEAD = struct.Struct("!iiI")
LENGTH = struct.Struct("!i").pack
NULL = LENGTH(-1)
UUID_LENGTH = LENGTH(16)
BIGINT = struct.Struct("!iq").pack
BYTEA_OID, BIGINT_OID, TEXT_OID, TIMESTAMPTZ_OID, UUID_OID = 17, 20, 25, 1184, 2950
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _array(element_oid: int, count: int, elements: Sequence[bytes]) -> BinaryArray:
    if not count:
        return BinaryArray(EMPTY_HEAD.pack(0, 0, element_oid))
    return BinaryArray(ARRAY_HEAD.pack(1, 1, element_oid, count, 1) + b"".join(elements))


def _uuid(value: UUID | None) -> bytes:
    return NULL if value is None else UUID_LENGTH + value.int.to_bytes(16)


def _bigint(value: int) -> bytes:
    return BIGINT(8, value)


def _bytes(value: bytes) -> bytes:
    return LENGTH(len(value)) + value


def _text(value: str | None) -> bytes:
    return NULL if value is None else _bytes(value.encode())


@lru_cache(maxsize=1024)
def _short_text(value: str) -> bytes:
    """Topics and actors: few, and the same again and again."""
    return _text(value)


def _time(value: datetime | None) -> bytes:
    return NULL if value is None else _bigint((value - POSTGRES_EPOCH) // MICROSECOND)
