"""Builds the parts that talk to the world from the settings, and takes them down again. Only entry
points use it.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from commands.ports import Log
from domain.errors import Unavailable
from infra.admission import SampledAdmission, build_admission
from infra.blobs import Blobs
from infra.caches import Cache
from infra.clock import SystemClock, Uuid7Ids
from infra.consumer import keep_running
from infra.consumer_progress import GroupProgress
from infra.data_keys import DataKeys
from infra.erasure import Erasure
from infra.event_commitments import EventCommitments
from infra.event_sealing import EventSeals
from infra.event_store import PostgresEventStore
from infra.group_commit import GroupCommit
from infra.key_encryption import KeyEncryption
from infra.live_text import LiveText
from infra.log_adapters import build_log
from infra.log_sealer import LogSealer, SealLimits
from infra.lru import Lru
from infra.neighbours import Neighbours
from infra.open_executions import PostgresOpenExecutions
from infra.opened_log import OpenedLog
from infra.postgres import Database, Role, role_conninfo
from infra.process_memory import forbid_core_dumps
from infra.readiness import Readiness
from infra.retention import RetentionKnown
from infra.scrape import Scrape
from infra.seal_keys import SealKeys
from infra.seal_proofs import SealProofs
from infra.settings import Settings
from infra.snapshots import Snapshots
from infra.standings import PostgresStandings
from infra.tail import Tail
from infra.tenant_budgets import PostgresBudgets
from infra.tenant_features import PostgresFeatures
from infra.tenant_plans import TenantPlans
from infra.vault import PostgresVault
from infra.wakeups import Wakeups
from infra.webhook_keys import WebhookKeys

DEFINITIONS_KEPT_S = 600.0


class SettingMissing(Unavailable):
    """A setting that this process needs is not set."""


@dataclass(eq=False)
class Runtime:
    """The adapters of one process. background: loops that run beside the roles, by name."""

    settings: Settings
    process_id: UUID
    clock: SystemClock = field(default_factory=SystemClock)
    ids: Uuid7Ids = field(default_factory=Uuid7Ids)
    wakeups: Wakeups = field(default_factory=Wakeups)
    neighbours: Neighbours = field(default_factory=Neighbours)
    live_text: LiveText = field(default_factory=LiveText)
    scrape: Scrape = field(default_factory=Scrape)
    readiness: Readiness = field(default_factory=Readiness)
    background: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, asyncio.Task[None]])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _databases: dict[Role, Database] = field(default_factory=dict[Role, Database])
    _blobs: dict[Role, Blobs] = field(default_factory=dict[Role, Blobs])
    _data_keys: DataKeys | None = None
    _group_commit: GroupCommit | None = None
    _definitions: Cache | None = None
    _standings: PostgresStandings | None = None
    _admission: SampledAdmission | None = None
    _plans: dict[Role, TenantPlans] = field(default_factory=dict[Role, TenantPlans])
    _budgets: dict[Role, PostgresBudgets] = field(default_factory=dict[Role, PostgresBudgets])
    _features: dict[Role, PostgresFeatures] = field(default_factory=dict[Role, PostgresFeatures])

    @property
    def name(self) -> str:
        """Names this process in leases, group members and actors."""
        return f"{socket.gethostname()}-{str(self.process_id)[-12:]}"

    def conninfo(self, role: Role) -> str:
        if self.settings.database_url is None:
            raise SettingMissing("AGENTLEDGER_DATABASE_URL is not set")
        return role_conninfo(
            self.settings.database_url,
            role,
            master_key=self.master_key,
            statement_timeout_s=self.settings.statement_timeout_s,
        )

    @property
    def master_key(self) -> str:
        if self.settings.master_key is None:
            raise SettingMissing("AGENTLEDGER_MASTER_KEY is not set")
        return self.settings.master_key.get_secret_value()

    @property
    def master_keys(self) -> list[str]:
        """The present one, and the previous one while it is being changed."""
        previous = self.settings.master_key_previous
        return [self.master_key, *([previous.get_secret_value()] if previous else ())]

    @property
    def lookup_key(self) -> str:
        """For hashes by which something is found again: they outlive a change of the master key."""
        lookup_key = self.settings.lookup_key
        return self.master_key if lookup_key is None else lookup_key.get_secret_value()

    @property
    def webhook_keys(self) -> WebhookKeys:
        return WebhookKeys(*self.master_keys)

    async def database(self, role: Role) -> Database:
        """The pool of a role, opened at first use."""
        if role not in self._databases:
            database = Database(self.conninfo(role), pool_size_max=self.settings.pool_size_max)
            self._databases[role] = database
            self.scrape.ask(lambda metrics: metrics.pool(role, database.sizes()))
            await database.open()
            self._stack.push_async_callback(database.close)
        return self._databases[role]

    def in_background(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run beside the roles until the runtime closes."""
        self.background[name] = asyncio.create_task(work)

    def at_close(self, end: Callable[[], Awaitable[None]]) -> None:
        """Called when the runtime closes, before what was opened earlier."""
        self._stack.push_async_callback(end)

    async def blobs(self, role: Role) -> Blobs:
        """One for each role, for it keeps what it read."""
        if role not in self._blobs:
            self._blobs[role] = Blobs(
                await self.database(role),
                await self.data_keys(role),
                cache_bytes_max=self.settings.blob_cache_bytes_max,
                tenant_bytes_max=self.settings.tenant_blob_bytes_max,
                plans=await self.plans(role),
                monotonic_s=asyncio.get_running_loop().time,
            )
        return self._blobs[role]

    async def definitions(self, role: Role) -> Cache:
        """What is pinned by runs: of workflows, and of agents that run alone."""
        if self._definitions is None:
            settings, monotonic_s = self.settings, asyncio.get_running_loop().time
            first = Lru[str](
                count_max=settings.definition_cache_max,
                bytes_max=settings.definition_cache_bytes_max,
                age_s_max=DEFINITIONS_KEPT_S,
                monotonic_s=monotonic_s,
            )
            second = None
            if settings.redis_url is not None:
                from infra.shared_cache import SharedCache

                second = SharedCache(settings.redis_url.get_secret_value(), monotonic_s)
                self._stack.push_async_callback(second.close)
            self._definitions = Cache(
                "definitions",
                first,
                second,
                await self.data_keys(role),
                asked=self._cache_asked,
            )
        return self._definitions

    def _cache_asked(self, name: str, level: str, had_it: bool) -> None:  # noqa: FBT001 # as told
        """Whoever counts may begin later than the cache."""
        self.neighbours.cache_asked(name, level, had_it)

    async def data_keys(self, role: Role = "api") -> DataKeys:
        """One for the process, so that what it forgets is forgotten everywhere. role: the one it
        asks as, if it is the first time: api, worker or projector.
        """
        if self._data_keys is None:
            database = await self.database(role)
            encryption = KeyEncryption(database, self.master_keys, scrypt_n=self.settings.scrypt_n)
            monotonic_s = asyncio.get_running_loop().time
            self._data_keys = self._data_keys or DataKeys(
                database, encryption, monotonic_s=monotonic_s
            )
        return self._data_keys

    async def event_seals(self, role: Role) -> EventSeals:
        return EventSeals(await self.data_keys(role))

    async def vault(self, role: Role) -> PostgresVault:
        """role: api or worker."""
        return PostgresVault(await self.database(role), await self.data_keys(role))

    async def event_store(self, role: Role) -> PostgresEventStore:
        """A store that reads as `role` and appends through this process's one group commit."""
        return PostgresEventStore(
            await self.database(role),
            self.group_commit(),
            self.ids,
            keys=await self.data_keys(role),
            blobs=await self.blobs(role),
            definitions=await self.definitions(role),
            retention=RetentionKnown(
                await self.database(role), monotonic_s=asyncio.get_running_loop().time
            ),
            snapshots=Snapshots(
                await self.database(role),
                await self.data_keys(role),
                every=self.settings.snapshot_every,
            ),
            page_events=self.settings.stream_page_events,
            cache_max=self.settings.aggregate_cache_max,
            # A worker knows what it stores itself.
            neighbours=self.neighbours if role == "api" else None,
        )

    def group_commit(self) -> GroupCommit:
        if self._group_commit is None:
            settings = self.settings
            self._group_commit = GroupCommit(
                self.conninfo("writer"),
                writers=settings.append_writers,
                batch_events_max=settings.append_batch_events_max,
                batch_bytes_max=settings.append_batch_bytes_max,
                queue_max=settings.append_queue_max,
                timeout_s=settings.append_timeout_s,
                poll_s=settings.append_poll_s,
                on_appended=self.wakeups.hint,
            )
            self.in_background(
                "group commit",
                keep_running(
                    "group commit",
                    self._group_commit.run,
                    pause_max_s=settings.consumer_restart_max_s,
                ),
            )
        return self._group_commit

    async def log(self, role: Role) -> Log:
        """role: whose keys open the events."""
        database = None if self.settings.kafka_bootstrap_servers else await self.database("relay")
        log = build_log(
            self.settings,
            database,
            self.wakeups,
            client_id=self.name,
            member=self.process_id,
        )

        def watch(group: str) -> GroupProgress:
            progress = GroupProgress(group, log, self.clock)
            self.scrape.ask(progress.tell)
            self.readiness.add(progress.check())
            return progress

        return OpenedLog(log, (await self.event_seals(role)).opened, watch)

    async def standings(self) -> PostgresStandings:
        if self._standings is None:
            database = await self.database("api")
            monotonic_s = asyncio.get_running_loop().time
            self._standings = PostgresStandings(database, monotonic_s=monotonic_s)
        return self._standings

    async def admission(self) -> SampledAdmission:
        """One for all parts of the process, which all count what they admit."""
        if self._admission is None:
            database = await self.database("api")
            self._admission = build_admission(database, self.clock, self.settings)
            pause_max_s = self.settings.consumer_restart_max_s
            sampling = keep_running("admission", self._admission.run, pause_max_s=pause_max_s)
            self.in_background("admission", sampling)
        return self._admission

    async def plans(self, role: Role) -> TenantPlans:
        """role: api or worker. One for each, for it remembers."""
        if role not in self._plans:
            monotonic_s = asyncio.get_running_loop().time
            self._plans[role] = TenantPlans(await self.database(role), monotonic_s=monotonic_s)
        return self._plans[role]

    async def budgets(self, role: Role) -> PostgresBudgets:
        """role: api or worker. One for each, for it remembers."""
        if role not in self._budgets:
            monotonic_s = asyncio.get_running_loop().time
            database = await self.database(role)
            self._budgets[role] = PostgresBudgets(database, monotonic_s=monotonic_s)
        return self._budgets[role]

    async def features(self, role: Role) -> PostgresFeatures:
        """role: api or worker. One for each, for it remembers."""
        if role not in self._features:
            monotonic_s = asyncio.get_running_loop().time
            database = await self.database(role)
            self._features[role] = PostgresFeatures(database, monotonic_s=monotonic_s)
        return self._features[role]

    async def tail(self, store: PostgresEventStore, forget_callers: Callable[[UUID], None]) -> Tail:
        standings, plans = await self.standings(), await self.plans("api")
        features = await self.features("api")
        store.is_told = True

        def forget(stream_id: UUID, version: int) -> None:
            store.forget(stream_id, version)
            forget_callers(stream_id)
            standings.forget(stream_id)
            plans.forget(stream_id)
            features.forget(stream_id)
            # The stream of a tenant has the tenant's id.
            if self._data_keys is not None and self._data_keys.forget(stream_id):
                store.forget_tenant(stream_id)

        return Tail(
            await self.database("tail"),
            self.wakeups,
            poll_min_s=self.settings.poll_min_s,
            poll_max_s=self.settings.poll_max_s,
            on_place=forget,
            pace_s=self.settings.log_pace_s,
        )

    async def erasure(self) -> Erasure:
        return Erasure(await self.database("worker"))

    async def open_executions(self) -> PostgresOpenExecutions:
        return PostgresOpenExecutions(await self.database("worker"))

    async def seal_keys(self) -> SealKeys:
        """Of who seals; reading the public ones needs none of it."""
        max_age = timedelta(days=self.settings.seal_key_days)
        keys = await self.data_keys("projector")
        return SealKeys(keys, self.clock, self.ids, max_age=max_age)

    async def log_sealer(self) -> LogSealer:
        settings = self.settings
        return LogSealer(
            self.conninfo("projector"),
            EventCommitments(await self.data_keys("projector")),
            await self.seal_keys(),
            clock=self.clock,
            limits=SealLimits(
                settings.seal_every_s, settings.seal_events_max, settings.seal_share_max
            ),
        )

    async def seal_proofs(self) -> SealProofs:
        database = await self.database("api")
        return SealProofs(database, EventCommitments(await self.data_keys("api")))

    def exchange_wakeups(self) -> None:
        """Tell other processes of our appends and hear of theirs; not needed when all roles are in
        this one.
        """
        self.in_background("wake-ups", self.wakeups.exchange(self.conninfo("tail")))

    async def close(self) -> None:
        for task in self.background.values():
            task.cancel()
        await asyncio.gather(*self.background.values(), return_exceptions=True)
        await self._stack.aclose()


@asynccontextmanager
async def build_runtime(settings: Settings) -> AsyncGenerator[Runtime]:
    """A runtime that ends with the block, however it ends."""
    forbid_core_dumps()
    runtime = Runtime(settings, Uuid7Ids().new())
    try:
        yield runtime
    finally:
        await runtime.close()
