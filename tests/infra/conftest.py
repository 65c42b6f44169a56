"""Parts of infra, built on the real servers of the session, one at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from commands.plan_port import NobodyLimited
from infra.blobs import Blobs
from infra.caches import Cache
from infra.data_keys import DataKeys
from infra.event_sealing import EventSeals
from infra.event_store import PostgresEventStore
from infra.group_commit import GroupCommit
from infra.lru import Lru
from infra.neighbours import Neighbours
from infra.postgres import Database, Role, role_conninfo
from infra.retention import KNOWN_S, RetentionKnown
from infra.snapshots import Snapshots
from infra.wakeups import Wakeups
from tests.infra.keys import data_keys_on
from tests.infra.log_steps import IDS

TENANT_BLOB_BYTES_MAX = 2 << 20
SNAPSHOT_EVERY = 10

Conninfo = Callable[[Role], str]


@dataclass
class Parts:
    """What most infra tests need. new_store: of another process."""

    conninfo: Conninfo
    wakeups: Wakeups
    store: PostgresEventStore
    new_store: Callable[..., PostgresEventStore]
    group_commit: GroupCommit
    keys: DataKeys
    blobs: Blobs
    definitions: Cache
    snapshots: Snapshots
    forget_retention: Callable[[], None]
    stack: AsyncExitStack

    @property
    def seals(self) -> EventSeals:
        return EventSeals(self.keys)

    async def database(self, role: Role) -> Database:
        database = Database(self.conninfo(role), pool_size_max=8)
        await database.open()
        self.stack.push_async_callback(database.close)
        return database


@pytest.fixture
def conninfo(database_url: str, master_key: str) -> Conninfo:
    def of(role: Role) -> str:
        return role_conninfo(database_url, role, master_key=master_key, statement_timeout_s=20)

    return of


@pytest.fixture
async def parts(conninfo: Conninfo) -> AsyncIterator[Parts]:
    async with build_parts(conninfo) as built:
        yield built


@asynccontextmanager
async def build_parts(conninfo: Conninfo) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        wakeups = Wakeups()
        group_commit = GroupCommit(
            conninfo("writer"),
            writers=2,
            batch_events_max=500,
            batch_bytes_max=1 << 20,
            queue_max=5000,
            timeout_s=10,
            poll_s=0.001,
            on_appended=wakeups.hint,
        )
        running = asyncio.create_task(group_commit.run())
        stack.callback(running.cancel)
        database = Database(conninfo("api"), pool_size_max=8)
        await database.open()
        stack.push_async_callback(database.close)
        keys = data_keys_on(database)
        blobs = Blobs(
            database,
            keys,
            cache_bytes_max=4 << 20,
            tenant_bytes_max=TENANT_BLOB_BYTES_MAX,
            plans=NobodyLimited(),
            monotonic_s=asyncio.get_running_loop().time,
        )
        time_s = [0.0]

        def forget_retention() -> None:
            time_s[0] += KNOWN_S

        first = Lru[str](
            count_max=100,
            bytes_max=1 << 20,
            age_s_max=60,
            monotonic_s=asyncio.get_running_loop().time,
        )
        definitions = Cache("definitions", first, None, keys, asked=lambda *_: None)
        snapshots = Snapshots(database, keys, every=SNAPSHOT_EVERY)

        def new_store(neighbours: Neighbours | None = None) -> PostgresEventStore:
            return PostgresEventStore(
                database,
                group_commit,
                IDS,
                keys=keys,
                blobs=blobs,
                definitions=definitions,
                snapshots=snapshots,
                retention=RetentionKnown(database, monotonic_s=lambda: time_s[0]),
                page_events=3,
                cache_max=100,
                neighbours=neighbours,
            )

        yield Parts(
            conninfo,
            wakeups,
            new_store(),
            new_store,
            group_commit,
            keys,
            blobs,
            definitions,
            snapshots,
            forget_retention,
            stack,
        )
