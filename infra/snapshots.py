"""Snapshots of long streams: written after the append, beside it, and read in place of the events
they stand for.

The library's snapshots hold the aggregate's `__dict__` under a path of Python, are upcast, and are
taken by reading the aggregate again. Ours have one explicit form per aggregate; one of another form
is ignored, for the events are there; and they are encoded where the state is at hand.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast
from uuid import UUID

import orjson

from commands.sealing_port import KeyDestroyed
from domain import execution_snapshots, trigger_snapshots
from domain.aggregates import Aggregate
from domain.errors import Unavailable
from domain.executions import Execution
from domain.identifiers import Json, JsonObject, TenantId
from domain.triggers import Trigger
from infra.append_statement import EventRow
from infra.data_keys import DataKeys, SubjectErased, sealed_for
from infra.event_log import Snapshot
from infra.event_sealing import place
from infra.personal_members import subject_of
from infra.postgres import Database
from infra.sealing import is_sealed

log = logging.getLogger(__name__)

# A larger state is read from its events: what it costs to write would be paid again and again.
SNAPSHOT_BYTES_MAX = 8 * 1024 * 1024
# Snapshots that are being written. One that finds no room is not written; a later one will be.
WRITING_MAX = 16
COMPRESSION_LEVEL = 1
# What they are sealed as.
SNAPSHOTS = "snapshots"

WRITE: LiteralString = (
    "INSERT INTO snapshots AS kept"
    " (tenant_id, originator_id, originator_version, schema_version, state)"
    " VALUES (%s, %s, %s, %s, %b)"
    " ON CONFLICT (originator_id) DO UPDATE SET originator_version = EXCLUDED.originator_version,"
    "  schema_version = EXCLUDED.schema_version, state = EXCLUDED.state"
    " WHERE kept.originator_version < EXCLUDED.originator_version"
    "  OR kept.schema_version <> EXCLUDED.schema_version"
)


@dataclass(frozen=True, slots=True)
class Form:
    """How aggregates of one kind become JSON and come back."""

    version: int
    state_of: Callable[[Any], JsonObject]
    aggregate_from: Callable[[JsonObject], Aggregate]


# Streams of other kinds are short, and those aggregates are kept in memory.
FORMS: Mapping[type[Aggregate], Form] = {
    Execution: Form(
        execution_snapshots.SNAPSHOT_VERSION,
        execution_snapshots.snapshot_of,
        execution_snapshots.execution_from,
    ),
    Trigger: Form(
        trigger_snapshots.SNAPSHOT_VERSION,
        trigger_snapshots.snapshot_of,
        trigger_snapshots.trigger_from,
    ),
}


class Snapshots:
    """every: how many events of a stream lie between two snapshots; 0 is none."""

    def __init__(self, database: Database, keys: DataKeys, *, every: int) -> None:
        self._database = database
        self._keys = keys
        self._every = every
        self._writing: set[asyncio.Task[None]] = set()

    async def opened(
        self, kind: type[Aggregate], tenant_id: TenantId, stream_id: UUID, snapshot: Snapshot
    ) -> Aggregate | None:
        """None: it is of a data subject who was erased. Raises KeyDestroyed, Tampered."""
        state = snapshot.state
        if is_sealed(state):  # Others were stored before there were seals.
            bound_to = place(stream_id, snapshot.version)
            try:
                state = await self._keys.opened(tenant_id, SNAPSHOTS, state, bound_to)
            except SubjectErased:
                return None
        document: Json = orjson.loads(zlib.decompress(state))
        return FORMS[kind].aggregate_from(cast("JsonObject", document))

    def is_due(self, aggregate: Aggregate, stored: Sequence[EventRow]) -> bool:
        """Whether what was stored took its stream past a multiple of `every`, and nothing has
        happened to it since.
        """
        version, every = aggregate.version, self._every
        if not every or version < every or type(aggregate) not in FORMS:
            return False
        if aggregate.pending_events:
            return False
        stream = aggregate.id.bytes
        before = version - sum(1 for row in stored if row[0] == stream)
        return version // every > before // every

    def take(self, tenant_id: TenantId, aggregate: Aggregate) -> None:
        """Its events are stored. What it is now is encoded at once, and written later."""
        if len(self._writing) >= WRITING_MAX:
            return
        form = FORMS[type(aggregate)]
        state = orjson.dumps(form.state_of(aggregate))
        if len(state) > SNAPSHOT_BYTES_MAX:
            return
        row = (tenant_id, aggregate.id, aggregate.version, form.version)
        task = asyncio.create_task(self._write(subject_of(aggregate), row, state))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def written(self) -> None:
        """Returns when those that were taken are written."""
        await asyncio.gather(*self._writing)

    async def _write(
        self,
        subject_id: UUID | None,
        row: tuple[TenantId, UUID, int, int],
        state: bytes,
    ) -> None:
        tenant_id = row[0]
        compressed = await asyncio.to_thread(zlib.compress, state, COMPRESSION_LEVEL)
        try:
            key = await self._keys.of(tenant_id)
            subject_key = None
            if subject_id is not None:
                subject_key = await self._keys.of(tenant_id, subject_id)
            bound_to = place(row[1], row[2])
            sealed = sealed_for(key, subject_key, SNAPSHOTS, compressed, bound_to=bound_to)
            async with self._database.tenant_transaction(tenant_id) as conn:
                await conn.execute(WRITE, (*row, sealed))
        except (KeyDestroyed, Unavailable) as error:
            log.warning("snapshot of %s not written: %s", row[1], error)
