"""The event store of the simulation: the fake that passes the contract suite of the real one, and
the way to it, on which calls are refused, kept waiting, or stored without an answer.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid5

import orjson
from eventsourcing.persistence import StoredEvent

from commands.open_executions_port import OpenExecution
from commands.ports import (
    AnyAggregate,
    ClosedExecution,
    CommandRecord,
    DuplicateCommand,
    LoggedEvent,
    OpenedExecution,
    Position,
    PositionToken,
    RecordedAnswer,
    SideRow,
)
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.errors import Unavailable
from domain.identifiers import JsonObject, TenantId, shard_of
from infra.event_codec import mapper
from tests.commands.fakes import ERA, FakeEventStore
from tests.simulation.processes import Environment, Process

WAY_S = 0.004
LATE_S = 3.0
TIMEOUT_S = 10.0
NAMESPACE = UUID("5d0c6f0e-3c1b-5f3e-9d0a-000000000000")


class SimulatedStore(FakeEventStore):
    """logged: every event in commit order. open: what open_executions holds. intents: the
    idempotency key and number of each attempt that was announced.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._environment = environment
        self.logged: list[LoggedEvent] = []
        self.open: dict[UUID, OpenExecution] = {}
        self.intents: set[tuple[str, int]] = set()
        self.news: list[asyncio.Event] = []

    def commit(
        self,
        pending: Sequence[StoredEvent],
        envelope: Envelope,
        side_rows: Sequence[SideRow],
        command: CommandRecord | None,
    ) -> PositionToken | None:
        """Raises Stale or DuplicateCommand."""
        self._require_next_versions(pending)
        if command is not None and self.answer_to(envelope.tenant_id, command.command_id):
            raise DuplicateCommand
        token = self._store(pending, envelope, side_rows) if pending else None
        if command is not None:
            self.record(envelope.tenant_id, command, token)
        return token

    def record(
        self, tenant_id: TenantId, command: CommandRecord, token: PositionToken | None
    ) -> None:
        answer = RecordedAnswer(command.fingerprint, dict(command.result), token)
        self._commands[tenant_id, command.command_id] = answer

    def answer_to(self, tenant_id: TenantId, command_id: UUID) -> RecordedAnswer | None:
        return self._commands.get((tenant_id, command_id))

    def stream(self, stream_id: UUID) -> list[LoggedEvent]:
        return [event for event in self.logged if event.stream_id == stream_id]

    def newest_version(self, stream_id: UUID) -> int:
        _, events = self._streams.get(stream_id, (None, []))
        return len(events)

    def _store(
        self, pending: Sequence[StoredEvent], envelope: Envelope, side_rows: Sequence[SideRow]
    ) -> PositionToken:
        begun = len(self.logged)
        token = super()._store(pending, envelope, side_rows)
        for event in pending:
            self._log(event, envelope)
        self._keep_rows(envelope.tenant_id, side_rows)
        for event in self.logged[begun:]:
            self._environment.tell("store", f"{_shown(event)} by {event.actor}")
        for one in self.news:
            one.set()
        return token

    def _log(self, event: StoredEvent, envelope: Envelope) -> None:
        assert isinstance(event.originator_id, UUID)
        place = len(self.logged) + 1
        if event.topic == "execution.node_started":
            fact = orjson.loads(event.state)
            self.intents.add((fact["idempotency_key"], fact["attempt"]))
        self.logged.append(
            LoggedEvent(
                position=Position(ERA, self.appends_count, place),
                stream_id=event.originator_id,
                version=event.originator_version,
                topic=event.topic,
                state=event.state,
                tenant_id=envelope.tenant_id,
                shard=shard_of(event.originator_id),
                event_id=uuid5(NAMESPACE, str(place)),
                actor=envelope.actor,
                command_id=envelope.command_id,
                causation_id=envelope.causation_id,
                correlation_id=envelope.correlation_id,
                traceparent=envelope.traceparent,
                recorded_at=self._environment.now(),
            )
        )

    def _keep_rows(self, tenant_id: TenantId, side_rows: Sequence[SideRow]) -> None:
        ids = [r.execution_id for r in side_rows if isinstance(r, OpenedExecution)]
        # PostgreSQL refuses to change a row twice in one statement.
        assert len(ids) == len(set(ids)), "a row of open_executions is written twice"
        for row in side_rows:
            match row:
                case OpenedExecution(execution_id, wake_at):
                    self.open[execution_id] = OpenExecution(tenant_id, execution_id, wake_at)
                case ClosedExecution(execution_id):
                    self.open.pop(execution_id, None)
                case _:
                    pass


class Connection:
    """One process's way to the store. Implements commands.ports.EventStore and OpenExecutions."""

    def __init__(self, store: SimulatedStore, process: Process) -> None:
        self._store = store
        self._process = process
        self._environment = process.environment
        self.is_cut_off = False

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, tenant_id: TenantId
    ) -> AnyAggregate | None:
        await self._go()
        found = await self._store.load(kind, stream_id, tenant_id)
        await self._come_back()
        return found

    def keep(self, aggregate: Aggregate, tenant_id: TenantId) -> None:
        """There is no cache."""

    def has_room(self, tenant_id: TenantId) -> bool:  # noqa: ARG002 # the port's
        return True

    async def append(
        self,
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        pending = [
            mapper.to_stored_event(event)
            for aggregate in aggregates
            for event in aggregate.collect_events()
        ]
        if not pending and command is None:
            return None
        await self._go()
        stored: asyncio.Future[PositionToken | None] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(_look)
        # A request that is on its way arrives, whatever becomes of its sender.
        self._environment.spawn(self._commit(stored, pending, envelope, side_rows, command))
        token = await asyncio.shield(stored)
        await self._process.reach()
        return token

    async def _commit(
        self,
        stored: "asyncio.Future[PositionToken | None]",
        pending: Sequence[StoredEvent],
        envelope: Envelope,
        side_rows: Sequence[SideRow],
        command: CommandRecord | None,
    ) -> None:
        faults = self._environment.faults
        await self._environment.pass_by(WAY_S)
        if faults.happens(faults.store_answers_late):
            # The caller stopped waiting; the append is stored all the same.
            stored.set_exception(Unavailable("no answer in time"))
            await self._environment.pass_by(LATE_S)
        try:
            token = self._store.commit(pending, envelope, side_rows, command)
        except Exception as refusal:  # noqa: BLE001 # the caller's, whatever it is
            if not stored.done():
                stored.set_exception(refusal)
            return
        await self._environment.pass_by(WAY_S)
        if stored.done():
            return
        if faults.happens(faults.store_keeps_silent):
            stored.set_exception(Unavailable("the acknowledgement is lost"))
        else:
            stored.set_result(token)

    async def recorded_answer(self, tenant_id: TenantId, command_id: UUID) -> RecordedAnswer | None:
        await self._go()
        found = self._store.answer_to(tenant_id, command_id)
        await self._come_back()
        return found

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> JsonObject | None:
        await self._go()
        found = await self._store.definition(tenant_id, definition_hash)
        await self._come_back()
        return found

    async def ready(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> list[OpenExecution]:
        await self._go()
        found = [
            row
            for row in self._store.open.values()
            if row.wake_at is None
            and shard_of(row.execution_id) in shards
            and (after is None or row.execution_id > after)
        ]
        await self._come_back()
        return sorted(found, key=lambda row: row.execution_id)[:limit]

    async def due(self, shards: Sequence[int], *, until: object, limit: int) -> list[OpenExecution]:
        await self._go()
        found = [
            (row.wake_at, row.execution_id, row)
            for row in self._store.open.values()
            if row.wake_at is not None
            and row.wake_at <= until  # pyright: ignore[reportOperatorIssue] # a datetime
            and shard_of(row.execution_id) in shards
        ]
        await self._come_back()
        return [row for _, _, row in sorted(found)[:limit]]

    async def _go(self) -> None:
        faults = self._environment.faults
        await self._process.reach()
        await self._environment.pass_by(WAY_S)
        if self.is_cut_off:
            await asyncio.sleep(TIMEOUT_S)
            await self._process.reach()
            raise Unavailable("the store cannot be reached")
        if faults.happens(faults.store_refuses):
            raise Unavailable("the store refuses")

    async def _come_back(self) -> None:
        await self._environment.pass_by(WAY_S)
        await self._process.reach()


def _look(stored: "asyncio.Future[PositionToken | None]") -> None:
    """An answer for a process that is gone is no error of anybody."""
    if not stored.cancelled():
        stored.exception()


def _shown(event: LoggedEvent) -> str:
    fact = orjson.loads(event.state)
    about = [str(fact[name]) for name in ("path", "attempt", "code", "retry_at") if name in fact]
    return " ".join([event.topic, f"{str(event.stream_id)[-4:]}@{event.version}", *about])
