"""What deciding and driving need from the world. `infra` implements these; tests fake them and pass
the same contract suites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from commands.admission_port import Admission
from commands.billing_port import Billing, BillingRow
from commands.budget_port import BudgetRow, Budgets, KnownBudgets, NobodyBudgeted
from commands.bulk_port import ExecutionSearch
from commands.credential_port import ApiKeyRow
from commands.deadline_port import StoredDeadline
from commands.directory_port import Directory, DirectoryRow
from commands.feature_port import EverythingOn, FeatureRow, Features
from commands.identity_port import AccessRow, Users
from commands.licence_port import StoredRevocation
from commands.login_port import Accounts, LoginRow
from commands.mail_port import Mailbox, QueuedMail
from commands.oauth_port import ClientSecretRow
from commands.parts_port import PartRights
from commands.password_port import AnyPassword, PasswordJudge
from commands.payment_port import PaymentProvider
from commands.plan_port import NobodyLimited, PlanRow, Plans
from commands.price_port import Prices, PublishedPrices
from commands.retention_port import RemovedPayloads, StoredRetention
from commands.sealing_port import Sealing, SealingRow
from commands.sharing_port import ShareRow
from commands.standing_port import EveryoneActive, Standings, TenantSideRow
from commands.subject_port import DataSubjects
from commands.template_port import TemplateRow
from commands.trigger_port import StoredDueTrigger
from commands.vault_port import Vault, VaultRow
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.identifiers import JsonObject, Shard, TenantId
from domain.records import record

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class Ids(Protocol):
    def new(self) -> UUID:
        """UUIDv7: later ids sort after earlier ones of the same process, to the millisecond."""
        ...


class Position(NamedTuple):
    """A place in the commit order of the log. era grows when a restored cluster restarts its
    transaction ids.
    """

    era: int
    tx_id: int
    notification_id: int


@record
class PositionToken:
    """Where a command's events stand, per shard; a reader that waits for it reads its own writes.

    text: `<era>-<tx_id>-<shard>:<notification_id>[,...]`, opaque to clients.
    """

    era: int
    tx_id: int
    notification_ids: Mapping[Shard, int]

    def __str__(self) -> str:
        places = [f"{shard}:{nid}" for shard, nid in sorted(self.notification_ids.items())]
        return f"{self.era}-{self.tx_id}-{','.join(places)}"

    @classmethod
    def parse(cls, text: str) -> "PositionToken":
        """Raises ValueError when `text` is no token."""
        era, tx_id, places = text.split("-", 2)
        pairs = (place.split(":", 1) for place in places.split(","))
        return cls(int(era), int(tx_id), {Shard(int(shard)): int(nid) for shard, nid in pairs})

    def positions(self) -> dict[Shard, Position]:
        """The position that each touched shard must have reached."""
        return {
            shard: Position(self.era, self.tx_id, nid)
            for shard, nid in self.notification_ids.items()
        }


# A run that waits for nothing but what others may send; no timer wakes it.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


# Rows written in the same statement or transaction as the events (never without them).


@dataclass(frozen=True, slots=True)
class OpenedExecution:
    """A worker owes this execution its end. wake_at: when to look again though nothing happens."""

    execution_id: UUID
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClosedExecution:
    execution_id: UUID


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """The canonical definition under its hash, so that a worker loads it without its workflow's
    history.
    """

    definition_hash: str
    definition: JsonObject


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """password_hash: bcrypt."""

    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class OpenedBulkOperation:
    """From now on some worker owes it its end."""

    operation_id: UUID


@dataclass(frozen=True, slots=True)
class ClosedBulkOperation:
    operation_id: UUID


SideRow = (
    OpenedExecution
    | ClosedExecution
    | OpenedBulkOperation
    | ClosedBulkOperation
    | StoredDefinition
    | ApiKeyRow
    | StoredPassword
    | StoredRetention
    | RemovedPayloads
    | TenantSideRow
    | ShareRow
    | TemplateRow
    | AccessRow
    | ClientSecretRow
    | PlanRow
    | FeatureRow
    | DirectoryRow
    | VaultRow
    | QueuedMail
    | LoginRow
    | SealingRow
    | PublishedPrices
    | BillingRow
    | BudgetRow
    | KnownBudgets
    | StoredDeadline
    | StoredDueTrigger
    | StoredRevocation
)


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """The answer of a command that carries an idempotency key; unique per tenant, written with its
    events.

    fingerprint: SHA-256 of the canonical request; the same key with another fingerprint is refused.
    """

    command_id: UUID
    fingerprint: bytes
    result: JsonObject


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    fingerprint: bytes
    result: JsonObject
    position: PositionToken | None


class DuplicateCommand(Exception):
    """Another append with this command id was stored first; `EventStore.recorded_answer` has its
    answer.
    """


class EventStore(Protocol):
    """Append and load. Appends of all callers share transactions (group commit); each is all or
    nothing.
    """

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, tenant_id: TenantId
    ) -> AnyAggregate | None:
        """The aggregate as of its newest event, or None (also for another tenant's stream).

        The caller owns the returned object until it appends or drops it.
        """
        ...

    def keep(self, aggregate: Aggregate, tenant_id: TenantId) -> None:
        """Give back an aggregate that was loaded and not changed, so that the next load need not
        read it.
        """
        ...

    async def append(
        self,
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        """Store the pending events of all `aggregates`, in order, with the rows; None when nothing
        was pending (then only `command` is stored).

        Raises Stale when a stream moved on (nothing is stored), DuplicateCommand when the command
        id is taken, OverLimit when the payloads of a command are more than its tenant may store,
        Unavailable when the database cannot be reached. A lost acknowledgement is
        resolved inside: the same event ids found at their places mean success.
        """
        ...

    def has_room(self, tenant_id: TenantId) -> bool:
        """Whether the tenant may store more large payloads, as was known a few seconds ago."""
        ...

    async def recorded_answer(
        self, tenant_id: TenantId, command_id: UUID
    ) -> RecordedAnswer | None: ...

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> JsonObject | None: ...


# The log port: every consumer (projector, worker) sees events through it.


class LoggedEvent(NamedTuple):
    """One event as stored. state: the stored bytes. recorded_at: by the database's clock.

    A tuple, because every consumer makes one per event: a frozen dataclass costs four times as
    much.
    """

    position: Position
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    tenant_id: TenantId
    shard: Shard
    event_id: UUID
    actor: str | None
    command_id: UUID | None
    causation_id: UUID | None
    correlation_id: UUID | None
    traceparent: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition in commit order. cursor: opaque; where the partition continues after
    this batch.
    """

    partition: int
    events: Sequence[LoggedEvent]
    cursor: str


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin a partition. cursor None: its beginning, or with from_end its present end."""

    cursor: str | None = None
    from_end: bool = False


class LogHandler(Protocol):
    """A consumer. Exceptions from `handle` stop the consumer; nothing is ever skipped."""

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        """These partitions are ours from now on; answer where each begins. Called before any of
        their batches.
        """
        ...

    async def started(self, partitions: Sequence[int]) -> None:
        """The starting points are fixed: whatever is appended from now on will be delivered."""
        ...

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        """Stop work on them; returns when nothing is in flight any more. Nobody else gets them
        before that, for a while at least, so that what is under way may come to its end. at_once:
        somebody else may have them already.
        """
        ...

    async def handle(self, batches: Sequence[Batch]) -> None:
        """Apply batches of distinct partitions; they count as consumed when this returns."""
        ...


class Log(Protocol):
    partitions_count: int

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        """Run until cancelled. Members of a group share the partitions: each is owned by one at a
        time.

        topics: only events of these are delivered, and the others cost next to nothing; None is
        all. The cursor of a batch may lie behind events that were left out.
        """
        ...

    def is_owned(self, group: str, partition: int) -> bool:
        """Whether this process still holds the partition, as far as it can know without asking."""
        ...


def partition_of(shard: Shard, partitions_count: int) -> int:
    return shard % partitions_count


# Secrets.


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """key_id: public, finds the key. secret_text: shown once. secret_hash: SHA-256 of it."""

    key_id: str
    secret_text: str = field(repr=False)
    secret_hash: bytes


class Secrets(Protocol):
    """Where randomness and slow hashes come from."""

    def new_api_key(self) -> NewApiKey: ...

    async def hash_password(self, password: str) -> str:
        """bcrypt; takes a good part of a second of one core, off the event loop. password: at most
        72 bytes of UTF-8.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a command handler may use."""

    events: EventStore
    clock: Clock
    ids: Ids
    secrets: Secrets
    admission: Admission
    search: ExecutionSearch | None = None  # Only what is done in bulk needs it.
    users: Users | None = None  # Only what is decided about people needs it.
    sealing: Sealing | None = None  # Only what is kept sealed beside the log needs it.
    directory: Directory | None = None  # Only what directories of identity providers do needs it.
    mailbox: Mailbox | None = None  # Only where people are written to.
    accounts: Accounts | None = None  # Only what is decided about logins needs it.
    vault: Vault | None = None  # Only what keeps secrets needs it.
    parts: PartRights | None = None  # Only what runs, or says what runs, needs it.
    prices: Prices | None = None  # Only what prices usage needs them.
    billing: Billing | None = None  # Only what makes invoices needs it.
    payments: PaymentProvider | None = None  # Only where a provider collects money.
    password_judge: PasswordJudge = field(default_factory=AnyPassword)
    standings: Standings = field(default_factory=EveryoneActive)
    data_subjects: DataSubjects | None = None  # Only what is done for or to one person needs it.
    plans: Plans = field(default_factory=NobodyLimited)
    budgets: Budgets = field(default_factory=NobodyBudgeted)
    features: Features = field(default_factory=EverythingOn)
    regions: Sequence[str] = ("us", "eu", "ap")  # The first is where a tenant is by default.
