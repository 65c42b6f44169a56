"""What a connection keeps of the queries that it was asked, and what it does when that is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import LiteralString, cast

import psycopg
import pytest

from infra.connections import Connection
from infra.tenant_statements import STATEMENTS_MAX, TenantStatements
from tests.infra.conftest import Conninfo

TENANT: LiteralString = "SELECT current_setting('app.tenant_id') || current_setting('app.user_id')"
ALIVE: LiteralString = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
ASLEEP: LiteralString = ALIVE + " AND wait_event = 'PgSleep'"
PREPARED: LiteralString = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
async def conn(conninfo: Conninfo) -> AsyncIterator[Connection]:
    async with await Connection.connect(conninfo("api"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def statements(conn: Connection) -> TenantStatements:
    return TenantStatements(conn)


async def asked(statements: TenantStatements, query: LiteralString, person: bytes = b"") -> object:
    return await statements.value(
        query, b'{"n": 7}', tenant=b"a-tenant ", person=person, is_kept=True
    )


async def test_each_call_has_the_tenant_and_the_person_it_names(
    statements: TenantStatements,
) -> None:
    seen = [await asked(statements, TENANT, person) for person in (b"someone", b"", b"other")]
    assert seen == [b"a-tenant someone", b"a-tenant ", b"a-tenant other"]


async def test_what_is_asked_once_is_not_prepared_and_what_is_asked_again_is(
    conn: Connection, statements: TenantStatements
) -> None:
    once = int(cast("bytes", await asked(statements, PREPARED)))
    again = int(cast("bytes", await asked(statements, PREPARED)))
    assert (once, again) == (0, 2)  # The one that names the tenant, and this one.
    for _ in range(3):
        await statements.value("SELECT 'other'", b"{}", tenant=b"", person=b"")
    assert int(cast("bytes", await asked(statements, PREPARED))) == again
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


async def test_no_more_is_kept_than_the_maximum(statements: TenantStatements) -> None:
    for number in range(STATEMENTS_MAX + 10):
        query = cast("LiteralString", f"SELECT {number} + ($1->>'n')::int")
        assert {await asked(statements, query) for _ in range(3)} == {str(number + 7).encode()}
    assert int(cast("bytes", await asked(statements, PREPARED))) <= STATEMENTS_MAX


async def test_what_a_rollback_took_away_is_prepared_anew(
    conn: Connection, statements: TenantStatements
) -> None:
    for _ in range(3):
        await conn.execute("SELECT 1", prepare=True)
        assert await asked(statements, TENANT) == b"a-tenant "
        async with conn.transaction():
            raise psycopg.Rollback
    await conn.execute("SELECT 1")
    assert await asked(statements, PREPARED) in (b"0", b"1")


@pytest.mark.parametrize("query", ["SELECT no_such", "SELECT (1 / (($1->>'n')::int - 7))::text"])
async def test_after_a_query_that_fails_the_connection_answers_the_next(
    statements: TenantStatements, query: LiteralString
) -> None:
    for _ in range(3):
        with pytest.raises((psycopg.errors.UndefinedColumn, psycopg.errors.DivisionByZero)):
            await asked(statements, query)
        assert await asked(statements, TENANT) == b"a-tenant "


async def test_a_query_whose_caller_left_ends_with_its_connection(
    conn: Connection, statements: TenantStatements, conninfo: Conninfo
) -> None:
    pid = conn.info.backend_pid
    waiting = asyncio.create_task(asked(statements, "SELECT pg_sleep(60)::text"))
    async with await Connection.connect(conninfo("api"), autocommit=True) as other:
        await until(other, ASLEEP, pid, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(other, ALIVE, pid, 0)
    assert conn.closed


async def until(conn: Connection, query: LiteralString, pid: int, wanted: int) -> None:
    async with asyncio.timeout(60):
        while True:
            row = await (await conn.execute(query, (pid,))).fetchone()
            if row is not None and row[0] == wanted:
                return
            await asyncio.sleep(0.01)
