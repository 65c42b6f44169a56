"""The one statement that stores a batch of appends, and its parameters.

They are put together in PostgreSQL's binary form (infra/binary_form.py), and they are sent by
infra/prepared_statements.py.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import chain
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.pq.abc import PGresult

from commands.ports import PositionToken
from domain.envelope import Envelope
from domain.identifiers import shard_of_bytes
from infra.binary_form import (
    BIGINT_OID,
    BYTEA_OID,
    LENGTH,
    NULL,
    TEXT_OID,
    TIMESTAMPTZ_OID,
    UUID_LENGTH,
    UUID_OID,
    array,
    bigint_array,
    bigint_element,
    bytes_element,
    short_text_element,
    text_element,
    time_element,
    uuid_array,
    uuid_element,
)
from infra.budget_moves import BudgetMoves, moves_document
from infra.payload_offloading import Blob
from infra.side_rows import SideStatement

# One statement: the events and the rows that must never exist without them. Rows of commands and
# executions are the frequent ones; rarer rows follow as statements of the same transaction
# (infra/side_rows.py). What a batch does not bring is left out: each part opens tables and indexes.
_COLUMNS: LiteralString = """originator_id, originator_version, topic, state, event_id, tenant_id,
         command_id, causation_id, correlation_id, actor, traceparent"""
_TYPES: LiteralString = "uuid bigint text bytea uuid uuid uuid uuid uuid text text"
_INSERT: LiteralString = f"""
WITH appended AS (
  INSERT INTO events ({_COLUMNS}, shard)
  SELECT {_COLUMNS}, shard_of(originator_id)
    FROM """
_ARRAYS: LiteralString = f"""unnest({", ".join([f"%b::{type_}[]" for type_ in _TYPES.split()])})
         WITH ORDINALITY AS row ({_COLUMNS}, place)
   ORDER BY place"""
# Of few events each value is a parameter: an array is taken apart for a third of what storing an
# event costs.
FEW_EVENTS_MAX = 4
_ROW: LiteralString = f"({', '.join([f'%b::{type_}' for type_ in _TYPES.split()])})"
_RETURNING: LiteralString = """
  RETURNING era, tx_id, notification_id
)"""
_COMMANDS: LiteralString = """, recorded AS (
  INSERT INTO commands (tenant_id, command_id, fingerprint, result, events_count)
  SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bytea[], %b::bytea[], %b::bigint[])
)"""
_OPENED: LiteralString = """, opened AS (
  INSERT INTO open_executions (tenant_id, execution_id, shard, wake_at)
  SELECT tenant_id, execution_id, shard_of(execution_id), wake_at
    FROM unnest(%b::uuid[], %b::uuid[], %b::timestamptz[]) AS row (tenant_id, execution_id, wake_at)
  ON CONFLICT (execution_id) DO UPDATE SET wake_at = EXCLUDED.wake_at
)"""
_CLOSED: LiteralString = """, closed AS (
  DELETE FROM open_executions WHERE execution_id = ANY(%b::uuid[])
)"""
# Of streams that begin with something of a data subject.
_SUBJECTS: LiteralString = """, of_subjects AS (
  INSERT INTO subject_streams (tenant_id, subject_id, stream_id, kind)
  SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::text[])
  ON CONFLICT DO NOTHING
)"""
_PLACES: LiteralString = """
SELECT era, tx_id, notification_id FROM appended"""
# Of appends that something is paid for: that who decided knew of all budgets, and what moves on
# their counters.
_KNOWN: LiteralString = ", known AS MATERIALIZED (SELECT require_known_budgets(%b::json))"
_MOVED: LiteralString = ", known AS MATERIALIZED (SELECT apply_budgets(%b::json))"
_PLACES_PAID: LiteralString = _PLACES + " WHERE EXISTS (SELECT FROM known)"

# (stream id, version, topic, state, event id, id of the event it follows from). Ids and the version
# as their bytes: so they are sealed with, and so they are stored.
EventRow = tuple[bytes, bytes, str, bytes, bytes, bytes | None]
# (command id, fingerprint, result, how many events)
CommandRow = tuple[UUID, bytes, bytes, int]
# (execution id, when to look again)
OpenedRow = tuple[UUID, datetime | None]
# (subject id, stream id, topic of the aggregate)
SubjectRow = tuple[UUID, UUID, str]


# (tenant, command, correlation, actor, traceparent), as elements of their columns.
Elements = tuple[bytes, bytes, bytes, bytes, bytes]


class Stored(NamedTuple):
    """Where a batch was stored; the ids in the order of its events."""

    era: int
    tx_id: int
    notification_ids: Sequence[int]


@dataclass(slots=True, eq=False)
class Append:
    """What one caller wants stored, all or nothing. stored: from when it waits to be. refusal: why
    it was not.
    """

    envelope: Envelope
    events: Sequence[EventRow]
    commands: Sequence[CommandRow] = ()
    opened: Sequence[OpenedRow] = ()
    closed: Sequence[UUID] = ()
    rare: Sequence[SideStatement] = ()
    blobs: Sequence[Blob] = ()
    of_subjects: Sequence[SubjectRow] = ()
    budgets: BudgetMoves | None = None
    overdue_at: float = 0.0
    refusal: Exception | None = None
    stored: asyncio.Future[PositionToken | None] = field(init=False)

    def bytes_count(self) -> int:
        count = 0
        for row in self.events:
            count += len(row[3])
        for blob in self.blobs:
            count += len(blob.content)
        return count

    def succeed(self, stored: Stored, place: int = 0) -> None:
        """place: where the ids of its events begin among those stored."""
        if self.stored.done():
            return
        if not self.events:
            self.stored.set_result(None)
            return
        era, tx_id, ids = stored
        stream, last = self.events[-1][0], place + len(self.events)
        if self.events[0][0] is stream:  # Of one stream, as nearly always.
            places = {shard_of_bytes(stream): ids[last - 1]}
        else:
            streams = (row[0] for row in self.events)
            places = dict(zip(map(shard_of_bytes, streams), ids[place:last], strict=True))
        self.stored.set_result(PositionToken(era, tx_id, places))

    def fail(self, error: Exception) -> None:
        if not self.stored.done():
            self.refusal = error
            self.stored.set_exception(error)


def stored_at(result: PGresult) -> Stored:
    """What the statement answers: a row for each event."""
    count, value, number = result.ntuples, result.get_value, int.from_bytes
    if not count:
        return Stored(0, 0, ())
    ids = [number(value(row, 2) or b"") for row in range(count)]
    return Stored(number(value(0, 0) or b""), number(value(0, 1) or b""), ids)


def append_query(batch: Sequence[Append]) -> tuple[LiteralString, list[bytes | None]]:
    """The statement for a batch, and its parameters."""
    events = [*chain.from_iterable([append.events for append in batch])]
    few = len(events) if len(events) <= FEW_EVENTS_MAX else 0
    params = _event_values(batch) if few else _event_columns(batch, events)
    parts: list[LiteralString] = []
    for part, columns_of in PARTS.items():
        if columns := columns_of(batch):
            parts.append(part)
            params += columns
    places = _PLACES
    moves = [append.budgets for append in batch]
    if any(moves):
        places = _PLACES_PAID
        is_known = all(one is None or one.only_known for one in moves)
        parts.append(_KNOWN if is_known else _MOVED)
        params.append(moves_document(moves))
    return _statement(few, *parts, places), params


@cache
def _statement(few: int, *parts: LiteralString) -> LiteralString:
    """few: how many events are sent as values; 0: as arrays."""
    rows: list[LiteralString] = [_ROW] * few
    events = f"(VALUES {', '.join(rows)}) AS row ({_COLUMNS})" if few else _ARRAYS
    return "".join([_INSERT, events, _RETURNING, *parts])


def _event_values(batch: Sequence[Append]) -> list[bytes | None]:
    values: list[bytes | None] = []
    for append in batch:
        envelope = append.envelope
        tenant, command = envelope.tenant_id.bytes, _bytes_of(envelope.command_id)
        correlation, actor = _bytes_of(envelope.correlation_id), _encoded(envelope.actor)
        traceparent = _encoded(envelope.traceparent)
        for stream, version, topic, state, event_id, cause in append.events:
            values += [stream, version, topic.encode(), state, event_id, tenant]
            values += [command, cause, correlation, actor, traceparent]
    return values


def _bytes_of(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _encoded(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _event_columns(batch: Sequence[Append], rows: Sequence[EventRow]) -> list[bytes | None]:
    count = len(rows)
    # Of commands that changed nothing only the answers are stored.
    streams, versions, topics, states, event_ids, causes = (
        zip(*rows, strict=True) if rows else ((),) * 6
    )
    lengths = [LENGTH(len(state)) for state in states]
    around: list[Elements] = []
    for append in batch:
        around += [_elements_of(append.envelope)] * len(append.events)
    tenants, commands, correlations, actors, traceparents = (
        zip(*around, strict=True) if around else ((),) * 5
    )
    return [
        uuid_array(streams),
        bigint_array(versions),
        array(TEXT_OID, count, map(short_text_element, topics)),
        array(BYTEA_OID, count, chain.from_iterable(zip(lengths, states, strict=True))),
        uuid_array(event_ids),
        array(UUID_OID, count, tenants),
        array(UUID_OID, count, commands),
        array(UUID_OID, count, [NULL if one is None else UUID_LENGTH + one for one in causes]),
        array(UUID_OID, count, correlations),
        array(TEXT_OID, count, actors),
        array(TEXT_OID, count, traceparents),
    ]


def _elements_of(envelope: Envelope) -> Elements:
    return (
        uuid_element(envelope.tenant_id),
        uuid_element(envelope.command_id),
        uuid_element(envelope.correlation_id),
        short_text_element(envelope.actor),
        text_element(envelope.traceparent),
    )


def _command_columns(batch: Sequence[Append]) -> list[bytes]:
    rows = [(append.envelope.tenant_id, *row) for append in batch for row in append.commands]
    if not rows:
        return []
    count = len(rows)
    return [
        uuid_array([row[0].bytes for row in rows]),
        uuid_array([row[1].bytes for row in rows]),
        array(BYTEA_OID, count, [bytes_element(row[2]) for row in rows]),
        array(BYTEA_OID, count, [bytes_element(row[3]) for row in rows]),
        array(BIGINT_OID, count, [bigint_element(row[4]) for row in rows]),
    ]


def _opened_columns(batch: Sequence[Append]) -> list[bytes]:
    rows = [(append.envelope.tenant_id, *row) for append in batch for row in append.opened]
    if not rows:
        return []
    return [
        uuid_array([row[0].bytes for row in rows]),
        uuid_array([row[1].bytes for row in rows]),
        array(TIMESTAMPTZ_OID, len(rows), [time_element(row[2]) for row in rows]),
    ]


def _closed_columns(batch: Sequence[Append]) -> list[bytes]:
    closed = [execution_id.bytes for append in batch for execution_id in append.closed]
    return [uuid_array(closed)] if closed else []


def _subject_columns(batch: Sequence[Append]) -> list[bytes]:
    rows = [(append.envelope.tenant_id, *row) for append in batch for row in append.of_subjects]
    if not rows:
        return []
    return [
        uuid_array([row[0].bytes for row in rows]),
        uuid_array([row[1].bytes for row in rows]),
        uuid_array([row[2].bytes for row in rows]),
        array(TEXT_OID, len(rows), [short_text_element(row[3]) for row in rows]),
    ]


# Of which a batch has columns only when it brings rows.
PARTS: Mapping[LiteralString, Callable[[Sequence[Append]], list[bytes]]] = {
    _COMMANDS: _command_columns,
    _OPENED: _opened_columns,
    _CLOSED: _closed_columns,
    _SUBJECTS: _subject_columns,
}
