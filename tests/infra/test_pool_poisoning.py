"""Connections are shared by all tenants: whatever one user does to one, the next sees none of it.

Two connections, many tasks of ten tenants, and everything that can go wrong in the middle.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from uuid import UUID

import orjson
import psycopg
import pytest
from psycopg import AsyncConnection

from domain.identifiers import TenantId
from infra.postgres import Database, DatabaseUnavailable
from tests.infra.conftest import Conninfo
from tests.infra.log_steps import IDS

TENANTS = [TenantId(IDS.new()) for _ in range(10)]
ROWS = 3
TASKS = 400
CONNECTIONS = 2
OF_TENANT = "SELECT tenant_id FROM definitions"
# What tasks do, and how often: cancelling takes a second.
MANNERS = {
    "reads": 8,
    "reads_json": 8,
    "reads_as_a_person": 4,
    "fails": 4,
    "is_cancelled": 1,
    "times_out": 4,
    "is_killed": 2,
    "nests": 4,
    "fetches": 4,
}


@pytest.fixture
async def database(conninfo: Conninfo, database_url: str) -> AsyncIterator[Database]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        found = await owner.execute("SELECT 1 FROM agentledger.definitions LIMIT 1")
        if await found.fetchone() is None:
            rows = [(tenant, str(n)) for tenant in TENANTS for n in range(ROWS)]
            await owner.cursor().executemany(
                "INSERT INTO agentledger.definitions VALUES (%s, %s, '{}')", rows
            )
    pool = Database(conninfo("api"), pool_size_max=CONNECTIONS)
    await pool.open()
    yield pool
    await pool.close()


class _Wrong(Exception):
    """Something that a user of a connection did not foresee."""


class Visitor:
    """One task of one tenant. seen: the tenants of every row that it read."""

    def __init__(self, database: Database, database_url: str, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self.seen: list[UUID] = []
        self._database = database
        self._database_url = database_url

    async def reads(self) -> None:
        async with self._database.tenant_transaction(self.tenant_id) as conn:
            await self._look(conn)

    async def reads_json(self) -> None:
        query = "SELECT json_agg(tenant_id)::text FROM definitions"
        text = await self._database.tenant_json(self.tenant_id, query, {})
        assert text is not None
        self.seen += [UUID(one) for one in orjson.loads(text)]

    async def reads_as_a_person(self) -> None:
        query = "SELECT json_agg(tenant_id)::text FROM definitions"
        text = await self._database.tenant_json(self.tenant_id, query, {}, person=IDS.new())
        assert text is not None
        self.seen += [UUID(one) for one in orjson.loads(text)]

    async def fails(self) -> None:
        with contextlib.suppress(_Wrong):
            async with self._database.tenant_transaction(self.tenant_id) as conn:
                await self._look(conn)
                with contextlib.suppress(psycopg.Error):
                    await conn.execute("SELECT 1 / 0")
                raise _Wrong

    async def is_cancelled(self) -> None:
        async def sleep() -> None:
            async with self._database.tenant_transaction(self.tenant_id) as conn:
                await self._look(conn)
                started.set()
                await conn.execute("SELECT pg_sleep(60)")

        started = asyncio.Event()
        task = asyncio.create_task(sleep())
        await started.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def times_out(self) -> None:
        with contextlib.suppress(psycopg.errors.QueryCanceled, DatabaseUnavailable):
            async with self._database.tenant_transaction(self.tenant_id) as conn:
                await self._look(conn)
                await conn.execute("SET LOCAL statement_timeout = 5")
                await conn.execute("SELECT pg_sleep(60)")

    async def is_killed(self) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            async with self._database.tenant_transaction(self.tenant_id) as conn:
                await self._look(conn)
                pid = conn.info.backend_pid
                async with await AsyncConnection.connect(self._database_url) as owner:
                    await owner.execute("SELECT pg_terminate_backend(%s)", (pid,))
                await self._look(conn)

    async def nests(self) -> None:
        async with self._database.tenant_transaction(self.tenant_id) as conn:
            with contextlib.suppress(psycopg.Error):
                async with conn.transaction():
                    await conn.execute("SELECT no_such_column")
            await self._look(conn)

    async def fetches(self) -> None:
        async with (
            self._database.tenant_transaction(self.tenant_id) as conn,
            conn.cursor("rows") as cursor,
        ):
            await cursor.execute(OF_TENANT)
            async for row in cursor:
                self.seen.append(row[0])

    async def _look(self, conn: AsyncConnection) -> None:
        self.seen += [row[0] for row in await (await conn.execute(OF_TENANT)).fetchall()]


async def tenants_left(database: Database) -> list[object]:
    """What is set on each connection of the pool, as its next user would find it."""
    async with contextlib.AsyncExitStack() as stack:
        conns = [await stack.enter_async_context(database.shared()) for _ in range(CONNECTIONS)]
        query = (
            "SELECT nullif(concat(current_setting('app.tenant_id', true),"
            " current_setting('app.user_id', true)), '')"
        )
        rows = [await (await conn.execute(query)).fetchone() for conn in conns]
    return [row[0] for row in rows if row and row[0] is not None]


async def test_every_row_belongs_to_the_tenant_of_the_task_that_read_it(
    database: Database, database_url: str
) -> None:
    draw = random.Random(7)
    manners = draw.choices(list(MANNERS), list(MANNERS.values()), k=TASKS)
    visits = [(Visitor(database, database_url, draw.choice(TENANTS)), manner) for manner in manners]
    async with asyncio.TaskGroup() as tasks:
        for visitor, manner in visits:
            tasks.create_task(getattr(visitor, manner)())
    assert [v for v, _ in visits if set(v.seen) - {v.tenant_id}] == []
    peaceful = {"reads", "reads_json", "nests", "fetches"}
    assert {len(v.seen) for v, manner in visits if manner in peaceful} == {ROWS}
    assert await tenants_left(database) == []


@pytest.mark.parametrize("manner", MANNERS)
async def test_after_each_of_them_a_connection_has_no_tenant(
    database: Database, database_url: str, manner: str
) -> None:
    for tenant_id in TENANTS[:2]:
        await getattr(Visitor(database, database_url, tenant_id), manner)()
    assert await tenants_left(database) == []
    async with database.connection() as conn:
        assert await (await conn.execute(OF_TENANT)).fetchall() == []


async def poison(database: Database, tenant_id: TenantId) -> None:
    """A tenant set for the session, as nobody here does, on every connection."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            conn = await stack.enter_async_context(database.shared())
            await conn.execute("SELECT set_config('app.tenant_id', %s, false)", (str(tenant_id),))


async def test_a_connection_that_was_returned_with_a_tenant_shows_the_next_user_nothing(
    database: Database, database_url: str
) -> None:
    poisoner, victim = TENANTS[0], TENANTS[1]
    await poison(database, poisoner)
    assert len(await tenants_left(database)) == CONNECTIONS  # The check finds what it looks for.
    async with database.connection() as conn:
        assert await (await conn.execute(OF_TENANT)).fetchall() == []
    for manner in ("reads", "reads_json", "nests", "fetches"):
        await poison(database, poisoner)
        visitor = Visitor(database, database_url, victim)
        await getattr(visitor, manner)()
        assert set(visitor.seen) == {victim}


async def test_a_connection_that_was_returned_in_an_aborted_transaction_is_clean(
    database: Database,
) -> None:
    for _ in range(CONNECTIONS):
        async with database.shared() as conn:
            await conn.execute("BEGIN")
            await conn.execute("SELECT set_config('app.tenant_id', %s, false)", (str(TENANTS[0]),))
            with pytest.raises(psycopg.errors.UndefinedTable):
                await conn.execute("SELECT FROM no_such_table")
    assert await tenants_left(database) == []
