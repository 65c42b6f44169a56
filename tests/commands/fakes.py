"""Ports without a world: an event store in memory that passes the contract suite of the real one,
and fixed sources.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from commands.authorization import EVERY_SCOPE, Caller
from commands.bulk_port import ExecutionFilter, OpenBulkOperation
from commands.decisions import Command
from commands.dispatch import Answer, Dispatcher, Origin
from commands.mail_port import Mail, QueuedMail
from commands.plan_port import NobodyLimited
from commands.ports import (
    AnyAggregate,
    ClosedBulkOperation,
    CommandRecord,
    DuplicateCommand,
    NewApiKey,
    OpenedBulkOperation,
    Ports,
    PositionToken,
    RecordedAnswer,
    SideRow,
    StoredDefinition,
)
from commands.vault_port import OpenedValue, SealedValue, StoredVaultEntry
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.errors import OverLimit, Stale
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId, shard_of
from infra.event_codec import mapper
from infra.price_books import StoredPrices
from tests.commands.fake_accounts import EMAIL, FakeAccounts
from tests.commands.fake_billing import FakeBilling
from tests.commands.fake_directory import FakeDirectory
from tests.commands.fake_features import FakeFeatures
from tests.commands.fake_parts import FakePartRights
from tests.commands.fake_payments import FakePayments
from tests.commands.fake_sealing import FakeSealing
from tests.commands.fake_subjects import FakeDataSubjects
from tests.commands.fake_users import FakeUsers

__all__ = ["EMAIL"]

ERA = 1
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FakeClock:
    """Stands at noon until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def pass_time(self, **units: float) -> None:
        self.time += timedelta(**units)


class FakeIds:
    """UUIDs in the shape of version 7 that count up."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> UUID:
        self._count += 1
        return UUID(int=(1 << 100) + (7 << 76) + (2 << 62) + self._count)


class FakeSecrets:
    """Keys and hashes that tell what they were made from."""

    def __init__(self) -> None:
        self._count = 0

    def new_api_key(self) -> NewApiKey:
        self._count += 1
        key_id = f"key{self._count:05d}"
        text = f"al_{key_id}_secret"
        return NewApiKey(key_id, text, f"hash of {text}".encode())

    async def hash_password(self, password: str) -> str:
        return f"hash of {len(password)} characters"


class FakeVault:
    """Keeps values as they are. A row shows nothing of its value, as a sealed one does not."""

    def __init__(self) -> None:
        self.values: dict[tuple[TenantId, UUID], OpenedValue] = {}
        self.opened: list[UUID] = []

    async def seal(
        self,
        tenant_id: TenantId,
        entry_id: UUID,
        value: str,
        *,
        value_version: int,
        allowed_hosts: Sequence[str] = (),
    ) -> StoredVaultEntry:
        hosts = tuple(allowed_hosts)
        self.values[tenant_id, entry_id] = OpenedValue(value, value_version, hosts)
        sealed = SealedValue(1, b"salt", b"iv", b"tag", f"{len(value)} characters".encode())
        return StoredVaultEntry(entry_id, value_version, hosts, sealed)

    async def open(
        self, tenant_id: TenantId, entry_ids: Collection[UUID]
    ) -> dict[UUID, OpenedValue]:
        self.opened += entry_ids
        known = {one: self.values.get((tenant_id, one)) for one in entry_ids}
        return {one: value for one, value in known.items() if value is not None}


class FakeMailbox:
    """Mails that are not sealed, so that tests can read them."""

    def __init__(self, ids: FakeIds) -> None:
        self.mails: list[Mail] = []
        self.has_server = True
        self._ids = ids

    async def queued(
        self,
        tenant_id: TenantId,  # noqa: ARG002 # the port's
        mail: Mail,
        *,
        user_id: UUID,
        expires_at: datetime,
    ) -> QueuedMail:
        self.mails.append(mail)
        return QueuedMail(self._ids.new(), user_id, mail.text.encode(), expires_at)


class FakeAdmission:
    """Admits until it is given a refusal. asked: the tenants, in order."""

    def __init__(self) -> None:
        self.refusal: OverLimit | None = None
        self.asked: list[TenantId] = []

    def require_admitted(self, tenant_id: TenantId) -> None:
        self.asked.append(tenant_id)
        if self.refusal is not None:
            raise self.refusal

    def require_room(self, tenant_id: TenantId) -> None:
        self.require_admitted(tenant_id)


class FakeEventStore:
    """Streams in memory, encoded like the real ones, so that an event that is not JSON fails here
    too.

    events, envelopes and side_rows are what was stored, in order, for tests to look at; kept are
    the aggregates that were given back.
    """

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.envelopes: list[Envelope] = []
        self.side_rows: list[SideRow] = []
        self.owned_side_rows: list[tuple[TenantId, SideRow]] = []
        self.appends_count = 0
        self.answers_read_count = 0
        self.kept: list[UUID] = []
        self.is_full = False
        self._streams: dict[UUID, tuple[TenantId, list[StoredEvent]]] = {}
        self._commands: dict[tuple[TenantId, UUID], RecordedAnswer] = {}
        self._definitions: dict[tuple[TenantId, str], bytes] = {}

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.events]

    @property
    def states(self) -> list[JsonObject]:
        return [orjson.loads(event.state) for event in self.events]

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, tenant_id: TenantId
    ) -> AnyAggregate | None:
        owner, events = self._streams.get(stream_id, (None, []))
        if owner != tenant_id:
            return None
        aggregate = None
        for event in events:
            aggregate = mapper.to_domain_event(event).mutate(aggregate)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue] # any kind
        return aggregate if isinstance(aggregate, kind) else None

    def keep(self, aggregate: Aggregate, tenant_id: TenantId) -> None:  # noqa: ARG002 # the port's
        """There is no cache: every load reads."""
        self.kept.append(aggregate.id)

    def has_room(self, tenant_id: TenantId) -> bool:  # noqa: ARG002 # the port's
        return not self.is_full

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
        self._require_next_versions(pending)
        if command is not None and (envelope.tenant_id, command.command_id) in self._commands:
            raise DuplicateCommand
        token = self._store(pending, envelope, side_rows) if pending else None
        if command is not None:
            answer = RecordedAnswer(
                command.fingerprint, orjson.loads(orjson.dumps(command.result)), token
            )
            self._commands[envelope.tenant_id, command.command_id] = answer
        return token

    async def recorded_answer(self, tenant_id: TenantId, command_id: UUID) -> RecordedAnswer | None:
        self.answers_read_count += 1
        return self._commands.get((tenant_id, command_id))

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> JsonObject | None:
        stored = self._definitions.get((tenant_id, definition_hash))
        return None if stored is None else orjson.loads(stored)

    def _require_next_versions(self, pending: Sequence[StoredEvent]) -> None:
        versions: dict[UUID, int] = {}
        for event in pending:
            assert isinstance(event.originator_id, UUID)
            _, stored = self._streams.get(event.originator_id, (None, ()))
            version = versions.get(event.originator_id, len(stored))
            if event.originator_version != version + 1:
                raise Stale
            versions[event.originator_id] = version + 1

    def _store(
        self, pending: Sequence[StoredEvent], envelope: Envelope, side_rows: Sequence[SideRow]
    ) -> PositionToken:
        self.appends_count += 1
        places: dict[int, int] = {}
        for event in pending:
            assert isinstance(event.originator_id, UUID)
            _, events = self._streams.setdefault(event.originator_id, (envelope.tenant_id, []))
            events.append(event)
            self.events.append(event)
            self.envelopes.append(envelope)
            places[shard_of(event.originator_id)] = len(self.events)
        for row in side_rows:
            self.side_rows.append(row)
            self.owned_side_rows.append((envelope.tenant_id, row))
            if isinstance(row, StoredDefinition):
                key = (envelope.tenant_id, row.definition_hash)
                self._definitions[key] = orjson.dumps(row.definition)
        return PositionToken(ERA, self.appends_count, places)  # pyright: ignore[reportArgumentType] # shards are ints


class FakeExecutionSearch:
    """Looks at the runs in the store themselves, and so never lags."""

    def __init__(self, store: FakeEventStore) -> None:
        self._store = store

    async def find(
        self, tenant_id: TenantId, wanted: ExecutionFilter, *, after: UUID | None, limit: int
    ) -> list[UUID]:
        ids = {event.originator_id for event in self._store.events}
        runs = [await self._store.load(Execution, id_, tenant_id) for id_ in ids]  # pyright: ignore[reportArgumentType] # all UUIDs
        found = [run.id for run in runs if run is not None and _is_wanted(run, wanted)]
        older = [id_ for id_ in found if after is None or id_ < after]
        return sorted(older, reverse=True)[:limit]

    async def count(self, tenant_id: TenantId, wanted: ExecutionFilter, *, limit: int) -> int:
        return len(await self.find(tenant_id, wanted, after=None, limit=limit))


def _is_wanted(run: Execution, wanted: ExecutionFilter) -> bool:
    return (
        (wanted.statuses is None or run.status in wanted.statuses)
        and (wanted.workflow_id is None or str(wanted.workflow_id) == run.workflow_id)
        and wanted.definition_hash in {None, run.definition_hash}
        and (wanted.created_after is None or run.created_on > wanted.created_after)
        and (wanted.created_before is None or run.created_on < wanted.created_before)
    )


class FakeOpenBulkOperations:
    """The rows in the store; claimed are those whose lease has not ended."""

    def __init__(self, store: FakeEventStore, tenant_id: TenantId) -> None:
        self.claimed: set[UUID] = set()
        self._store = store
        self._tenant_id = tenant_id

    @property
    def open_ids(self) -> list[UUID]:
        rows = self._store.side_rows
        closed = {row.operation_id for row in rows if isinstance(row, ClosedBulkOperation)}
        opened = [row.operation_id for row in rows if isinstance(row, OpenedBulkOperation)]
        return [operation_id for operation_id in opened if operation_id not in closed]

    async def claim(self, lease_s: float) -> OpenBulkOperation | None:  # noqa: ARG002 # the port's
        for operation_id in self.open_ids:
            if operation_id not in self.claimed:
                self.claimed.add(operation_id)
                return OpenBulkOperation(self._tenant_id, operation_id)
        return None

    async def release(self, operation_id: UUID, *, after_s: float = 0.0) -> None:
        """One that is to rest stays claimed."""
        if not after_s:
            self.claimed.discard(operation_id)


class World:
    """A dispatcher on fakes, and one caller who may do everything in one tenant."""

    def __init__(self, store: FakeEventStore | None = None) -> None:
        self.store = store or FakeEventStore()
        self.clock = FakeClock()
        self.ids = FakeIds()
        self.admission = FakeAdmission()
        self.search = FakeExecutionSearch(self.store)
        self.vault = FakeVault()
        self.mailbox = FakeMailbox(self.ids)
        self.accounts = FakeAccounts(self.store)
        self.users = FakeUsers(self.store)
        self.features = FakeFeatures()
        self.data_subjects = FakeDataSubjects(self.store)
        self.parts = FakePartRights(self.store)
        self.billing = FakeBilling(self.store)
        self.payments = FakePayments()
        self.ports = Ports(
            self.store,
            self.clock,
            self.ids,
            FakeSecrets(),
            self.admission,
            self.search,
            mailbox=self.mailbox,
            users=self.users,
            sealing=FakeSealing(),
            directory=FakeDirectory(self.store),
            accounts=self.accounts,
            vault=self.vault,
            features=self.features,
            data_subjects=self.data_subjects,
            parts=self.parts,
            prices=StoredPrices(self.store, NobodyLimited()),
            billing=self.billing,
            payments=self.payments,
        )
        self.dispatcher = Dispatcher(self.ports)
        self.tenant_id = TenantId(self.ids.new())
        self.caller = self.caller_with(EVERY_SCOPE)
        self.operator = Caller("operator", None, frozenset(), is_operator=True)

    def caller_with(
        self, *scopes: str, actor: str = "api_key:test", user_id: UUID | None = None
    ) -> Caller:
        return Caller(actor, self.tenant_id, frozenset(scopes), user_id)

    async def when(
        self, command: Command, *, key: str | None = None, caller: Caller | None = None
    ) -> Answer:
        origin = Origin(self.ids.new(), idempotency_key=key)
        return await self.dispatcher.dispatch(command, caller or self.caller, origin)

    async def given(self, *commands: Command) -> list[JsonObject]:
        """The results of commands that went before."""
        return [(await self.when(command)).result for command in commands]
