"""The log as its sealer reads it: records that are ready to be hashed, for nearly all that a record
says (infra/log_seals.py) is put together by PostgreSQL, which has it in this form.

Of an event that costs half of what it costs to read it as everybody else does: there is no id, time
or position to be made and taken apart again. That it comes to the same leaf a test shows.
"""

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import LiteralString, NamedTuple
from uuid import UUID

from commands.ports import Position
from infra.binary_form import BIGINT, POSTGRES_EPOCH
from infra.event_log import place_params
from infra.log_seals import EPOCH, MICROSECOND
from infra.merkle import LEAF
from infra.prepared_statements import PreparedStatements

# Where what stands in the head of a record (RECORD_HEAD).
STREAM, BOUND_TO, TENANT = slice(6, 22), slice(6, 30), slice(30, 46)
PLACE = struct.Struct("!hqq")
PLACE_AT = 46
MICROSECONDS_APART = (POSTGRES_EPOCH - EPOCH) // MICROSECOND

# fmt: off
READ_UNSEALED: LiteralString = (
    "SELECT '\\x6576656e7401'::bytea || uuid_send(originator_id) || int8send(originator_version)"
    "   || uuid_send(tenant_id) || int2send(era) || xid8send(tx_id) || int8send(notification_id)"
    "   || uuid_send(event_id) AS head,"
    " timestamptz_send(recorded_at) AS recorded,"
    " int4send(octet_length(topic)) || int4send(coalesce(octet_length(actor), -1))"
    "   || int4send(coalesce(octet_length(traceparent), -1))"
    "   || set_byte('\\x00', 0, (command_id IS NOT NULL)::integer"
    "     + 2 * (causation_id IS NOT NULL)::integer + 4 * (correlation_id IS NOT NULL)::integer)"
    "   || textsend(topic) || coalesce(textsend(actor), '') || coalesce(textsend(traceparent), '')"
    "   || coalesce(uuid_send(command_id), '') || coalesce(uuid_send(causation_id), '')"
    "   || coalesce(uuid_send(correlation_id), '') AS tail,"
    " topic, state"
    " FROM events"
    " WHERE (era, tx_id, notification_id) > (%b::smallint, %b::text::xid8, %b::bigint)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %b::bigint"
)
# fmt: on


class Unsealed(NamedTuple):
    """head: of the record, up to the id of the event. recorded: microseconds since 2000. tail: of
    the record, from the lengths on to what the event came from. state: as it is stored.
    """

    head: bytes
    recorded: bytes
    tail: bytes
    topic: str
    state: bytes

    @property
    def tenant_id(self) -> UUID:
        return UUID(bytes=self.head[TENANT])

    @property
    def stream_id(self) -> UUID:
        return UUID(bytes=self.head[STREAM])

    @property
    def version(self) -> int:
        return int.from_bytes(self.head[22:30])


def leaf_of(event: Unsealed, commitment: bytes) -> bytes:
    """As infra.log_seals.event_leaf."""
    head, recorded, tail, _, state = event
    microseconds = int.from_bytes(recorded, signed=True) + MICROSECONDS_APART
    told = (LEAF, head, microseconds.to_bytes(8, signed=True), tail, sha256(state).digest())
    return sha256(b"".join((*told, commitment))).digest()


def time_of(recorded: bytes) -> datetime:
    return POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(recorded, signed=True))


def position_in(head: bytes) -> Position:
    return Position(*PLACE.unpack_from(head, PLACE_AT))


async def read_unsealed(
    statements: PreparedStatements, after: Position, *, limit: int
) -> Sequence[Unsealed]:
    """Settled events after a place, in commit order, as infra.event_log.read_commit_order."""
    rows = await statements.rows(READ_UNSEALED, [*place_params(after), BIGINT(limit)])
    return [Unsealed(*row) for row in rows]
