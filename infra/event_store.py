"""The event store that commands and sagas use: aggregates in, events out, one group commit for all
callers.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import LiteralString
from uuid import UUID

import orjson
from eventsourcing.domain import AggregateEvent

from commands.budget_port import KnownBudgets
from commands.ports import (
    AnyAggregate,
    ClosedExecution,
    CommandRecord,
    LoggedEvent,
    OpenedExecution,
    PositionToken,
    RecordedAnswer,
    SideRow,
    StoredDefinition,
)
from commands.retention_port import RemovedPayloads
from commands.sealing_port import DestroyedSubjectKey, DestroyedTenantKey
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from infra.append_statement import Append, EventRow, SubjectRow
from infra.blobs import Blobs
from infra.budget_moves import budget_moves, known_in
from infra.caches import Cache
from infra.causes import Causes, remember
from infra.clock import Uuid7Ids
from infra.data_keys import DataKeys, TenantKey, sealed_for
from infra.event_codec import decode, mutated
from infra.event_log import read_from_snapshot, read_stream
from infra.event_rows import (
    SubjectKeys,
    beginning_of_subjects,
    event_rows,
    key_of_answer,
    keys_of_subjects,
    subjects_of,
)
from infra.event_sealing import EventSeals, is_without_personal
from infra.group_commit import GroupCommit
from infra.neighbours import Neighbours
from infra.payload_offloading import MARKER, Blob, make_whole, referenced
from infra.payment_counts import count_payments
from infra.postgres import Database
from infra.retention import RetentionKnown
from infra.sealing import is_sealed
from infra.side_rows import DEFINITIONS, side_statement
from infra.snapshots import FORMS, Snapshots
from infra.tracing import is_on, span

STORED_DEFINITIONS_MAX = 4096
# What recorded answers are sealed as.
ANSWERS = "answers"
# In the place of a fingerprint, which lies before its answer, behind its length: what was asked for
# could be guessed by it. Older ones lie open.
SEALED_TOO = b""

# fmt: off
RECORDED_ANSWER: LiteralString = (
    "SELECT c.fingerprint, c.result,"
    " (SELECT c.era || '-' || c.tx_id || '-'"
    "         || string_agg(e.shard || ':' || e.notification_id, ',')"
    "    FROM (SELECT shard, max(notification_id) AS notification_id FROM events"
    "           WHERE era = c.era AND tx_id = c.tx_id AND command_id = c.command_id"
    "           GROUP BY shard) AS e)"
    " FROM commands AS c WHERE c.tenant_id = %s AND c.command_id = %s"
)
DEFINITION: LiteralString = (
    "SELECT definition FROM definitions WHERE tenant_id = %s AND definition_hash = %s"
)
# fmt: on


class PostgresEventStore:
    """Implements commands.ports.EventStore. database: a role that reads one tenant at a time (api
    or worker).

    Recently used aggregates are kept, at most cache_max. `load` takes an aggregate out, so that no
    two callers share one object; `append` puts it back. Runs are not kept here: their owner keeps
    them (sagas/executions.py), and `neighbours` are told of those that commands changed.

    is_told: somebody follows the log and calls `forget`. Otherwise `load` asks whether what is kept
    is still all there is: what was decided from it without appending to it would be old for ever.
    """

    def __init__(
        self,
        database: Database,
        group_commit: GroupCommit,
        ids: Uuid7Ids,
        *,
        keys: DataKeys,
        blobs: Blobs,
        definitions: Cache,
        snapshots: Snapshots,
        retention: RetentionKnown,
        page_events: int,
        cache_max: int,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._database = database
        self._group_commit = group_commit
        self._keys = keys
        self._seals = EventSeals(keys)
        self._blobs = blobs
        self._definitions = definitions
        self._snapshots = snapshots
        self._retention = retention
        self._new_id = ids.new_bytes
        self._page_events = page_events
        self._cache_max = cache_max
        self.is_told = False
        self._neighbours = neighbours
        # By the number of the stream: to hash a UUID is a function of Python's.
        self._cache: OrderedDict[int, tuple[TenantId, Aggregate]] = OrderedDict()
        self._known_definitions: OrderedDict[tuple[TenantId, str], None] = OrderedDict()

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, tenant_id: TenantId
    ) -> AnyAggregate | None:
        cached = self._cache.pop(stream_id.int, None)
        if cached is not None:
            owner, aggregate = cached
            if owner != tenant_id or not isinstance(aggregate, kind):
                self._cache[stream_id.int] = cached
                return None
            if self.is_told or await self._is_newest(aggregate, tenant_id):
                return aggregate
        aggregate, page = await self._beginning(kind, stream_id, tenant_id)
        while True:
            page = await self._seals.opened(page)
            facts = await self._facts(tenant_id, page)
            for fact in facts:
                aggregate = mutated(aggregate, fact)
            remember(aggregate, page, facts)
            if isinstance(aggregate, Execution) and any(map(is_without_personal, page)):
                aggregate.has_payloads = False
            if len(page) < self._page_events:
                return aggregate if isinstance(aggregate, kind) else None
            page = await read_stream(
                self._database,
                tenant_id,
                stream_id,
                after_version=page[-1].version,
                limit=self._page_events,
            )

    async def _is_newest(self, aggregate: Aggregate, tenant_id: TenantId) -> bool:
        newer = await read_stream(
            self._database, tenant_id, aggregate.id, after_version=aggregate.version, limit=1
        )
        return not newer

    async def _beginning(
        self, kind: type[Aggregate], stream_id: UUID, tenant_id: TenantId
    ) -> tuple[Aggregate | None, Sequence[LoggedEvent]]:
        """What a snapshot says, if there is one, and the first page of what came after it."""
        limit = self._page_events
        form = FORMS.get(kind)
        if form is None:
            page = await read_stream(
                self._database, tenant_id, stream_id, after_version=0, limit=limit
            )
            return None, page
        snapshot, page = await read_from_snapshot(
            self._database, tenant_id, stream_id, schema_version=form.version, limit=limit
        )
        if snapshot is None:
            return None, page
        aggregate = await self._snapshots.opened(kind, tenant_id, stream_id, snapshot)
        if aggregate is None:
            page = await read_stream(
                self._database, tenant_id, stream_id, after_version=0, limit=limit
            )
        return aggregate, page

    async def _facts(
        self, tenant_id: TenantId, page: Sequence[LoggedEvent]
    ) -> list[AggregateEvent]:
        """What is in the opened events of a page, with their payloads, which are read together.
        Raises KeyDestroyed.
        """
        facts = [decode(event) for event in page]
        marked = [fact for event, fact in zip(page, facts, strict=True) if MARKER in event.state]
        if marked:
            hashes = {sha256 for fact in marked for sha256 in referenced(fact)}
            contents = await self._blobs.read(tenant_id, hashes)
            for fact in marked:
                make_whole(fact, contents)
        return facts

    def has_room(self, tenant_id: TenantId) -> bool:
        return self._blobs.has_room(tenant_id)

    def keep(self, aggregate: Aggregate, tenant_id: TenantId) -> None:
        """Give back an aggregate that was loaded and not changed."""
        if isinstance(aggregate, Execution) or not self._cache_max:
            return
        number = aggregate.id.int
        present = self._cache.get(number)
        if present is not None and present[1].version > aggregate.version:
            return
        self._cache[number] = (tenant_id, aggregate)
        if len(self._cache) > self._cache_max:
            self._cache.popitem(last=False)

    def forget(self, stream_id: UUID, newest_version: int) -> None:
        """Somebody appended: drop what is kept if it is older."""
        cached = self._cache.get(stream_id.int)
        if cached is not None and cached[1].version < newest_version:
            del self._cache[stream_id.int]

    def forget_tenant(self, tenant_id: UUID) -> None:
        """Its key may be destroyed: what is in memory of it goes."""
        self._keys.forget(tenant_id)
        self._blobs.forget(TenantId(tenant_id))
        self._definitions.forget_tenant(TenantId(tenant_id))
        for number in [n for n, (owner, _) in self._cache.items() if owner == tenant_id]:
            del self._cache[number]

    async def append(
        self,
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        tenant_id = envelope.tenant_id
        key = self._keys.kept(tenant_id) or await self._keys.of(tenant_id)
        bytes_max = self._retention.kept(tenant_id)
        bytes_max = bytes_max or await self._retention.inline_bytes_max(tenant_id)
        subject_keys: SubjectKeys = {}
        of_subjects: Sequence[SubjectRow] = ()
        if subject_ids := subjects_of(aggregates):
            subject_keys = await keys_of_subjects(self._keys, tenant_id, subject_ids)
            of_subjects = beginning_of_subjects(aggregates)
        budgets = budget_moves(tenant_id, aggregates, known_in(side_rows) if side_rows else None)
        rows, blobs = event_rows(
            aggregates,
            key,
            subject_keys,
            inline_bytes_max=bytes_max,
            new_id=self._new_id,
            causes=Causes(envelope),
        )
        if not rows:
            if command is None:
                for aggregate in aggregates:
                    self.keep(aggregate, tenant_id)
                return None
            side_rows = ()  # Never without events.
        append = Append(envelope, rows)
        append.blobs, append.of_subjects, append.budgets = blobs, of_subjects, budgets
        if command is not None:
            fingerprint = command.fingerprint
            result = bytes([len(fingerprint)]) + fingerprint + orjson.dumps(command.result)
            subject_key = key_of_answer(subject_keys, side_rows)
            sealed_result = sealed_for(
                key, subject_key, ANSWERS, result, bound_to=command.command_id.bytes
            )
            append.commands = [(command.command_id, SEALED_TOO, sealed_result, len(rows))]
        if side_rows:
            self._add_side_rows(append, side_rows, key)
        if blobs:
            await self._admit(envelope, blobs)
        if budgets is None:
            token = await self._stored(append)
        else:
            with budgets:
                token = await self._stored(append)
        if side_rows and self._took_effect(tenant_id, side_rows):
            return token
        self._settle(append.envelope, aggregates, rows)
        return token

    def _settle(
        self, envelope: Envelope, aggregates: Sequence[Aggregate], rows: Sequence[EventRow]
    ) -> None:
        """Their events are stored."""
        tenant_id = envelope.tenant_id
        count_payments(rows)
        for aggregate in aggregates:
            if self._snapshots.is_due(aggregate, rows):
                self._snapshots.take(tenant_id, aggregate)
            self.keep(aggregate, tenant_id)
            if self._neighbours is not None:
                self._neighbours.stored(tenant_id, aggregate, envelope.traceparent)

    def _stored(self, append: Append) -> Awaitable[PositionToken | None]:
        return self._stored_in_span(append) if is_on() else self._group_commit.append(append)

    async def _stored_in_span(self, append: Append) -> PositionToken | None:
        """Events remember it: whoever reads them later is led to it."""
        with span("append events", "producer", {"agentledger.events": len(append.events)}) as made:
            append.envelope = append.envelope.traced(made.traceparent)
            return await self._group_commit.append(append)

    def _took_effect(self, tenant_id: TenantId, side_rows: Sequence[SideRow]) -> bool:
        """What is in memory follows rows that were stored; whether they have made the whole tenant
        unreadable.
        """
        for row in side_rows:
            match row:
                case DestroyedTenantKey():
                    self.forget_tenant(tenant_id)
                    return True
                case DestroyedSubjectKey():
                    self._keys.forget(row.subject_id)
                    self._blobs.forget(tenant_id)
                case RemovedPayloads():
                    self._blobs.forget(tenant_id)
                case StoredDefinition():
                    self._remember_stored(tenant_id, row.definition_hash)
                case _:
                    pass
        return False

    async def recorded_answer(self, tenant_id: TenantId, command_id: UUID) -> RecordedAnswer | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(RECORDED_ANSWER, (tenant_id, command_id))
            row = await cursor.fetchone()
        if row is None:
            return None
        position = None if row[2] is None else PositionToken.parse(row[2])
        result = await self._opened(tenant_id, ANSWERS, row[1], command_id.bytes)
        fingerprint = bytes(row[0])
        if fingerprint == SEALED_TOO:
            end = 1 + result[0]
            fingerprint, result = result[1:end], result[end:]
        return RecordedAnswer(fingerprint, orjson.loads(result), position)

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> JsonObject | None:
        """A hash names its content, so what was kept of it is what it is."""
        kept = await self._definitions.get(tenant_id, definition_hash)
        if kept is None:
            kept = await self._read_definition(tenant_id, definition_hash)
            if kept is None:
                return None
            await self._definitions.put(tenant_id, definition_hash, kept)
        return orjson.loads(kept)

    async def _read_definition(self, tenant_id: TenantId, definition_hash: str) -> bytes | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(DEFINITION, (tenant_id, definition_hash))
            row = await cursor.fetchone()
        if row is None:
            return None
        bound_to = definition_hash.encode()
        return await self._opened(tenant_id, DEFINITIONS, row[0], bound_to)

    async def _opened(
        self, tenant_id: TenantId, purpose: str, stored: bytes, bound_to: bytes
    ) -> bytes:
        """What was stored before there were seals lies open."""
        if not is_sealed(stored):
            return stored
        return await self._keys.opened(tenant_id, purpose, stored, bound_to)

    def _remember_stored(self, tenant_id: TenantId, definition_hash: str) -> None:
        self._known_definitions[tenant_id, definition_hash] = None
        if len(self._known_definitions) > STORED_DEFINITIONS_MAX:
            self._known_definitions.popitem(last=False)

    async def _admit(self, envelope: Envelope, blobs: Sequence[Blob]) -> None:
        """What a command sends is refused over the quota. What a run brings is not refused here,
        where all of an append would be lost: its node fails (domain/execution_outcomes.py).
        """
        tenant_id = envelope.tenant_id
        bytes_count = sum(len(blob.content) for blob in blobs)
        if envelope.command_id is not None:
            await self._blobs.require_room(tenant_id, bytes_count)
        await self._blobs.note_stored(tenant_id, bytes_count)

    def _add_side_rows(self, append: Append, side_rows: Sequence[SideRow], key: TenantKey) -> None:
        tenant_id = append.envelope.tenant_id
        for row in side_rows:
            match row:
                case OpenedExecution():
                    append.opened = (*append.opened, (row.execution_id, row.wake_at))
                case ClosedExecution():
                    append.closed = (*append.closed, row.execution_id)
                case KnownBudgets():
                    pass  # In the statement of the append itself.
                case StoredDefinition() if (
                    tenant_id,
                    row.definition_hash,
                ) in self._known_definitions:
                    pass
                case _:
                    append.rare = (*append.rare, side_statement(tenant_id, row, key))
