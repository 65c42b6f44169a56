"""A connection that the event loop watches between statements: whoever sends them, each has its own
answer, and a server that is gone is noticed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import uvloop

from infra.connections import Connection, Polling
from infra.prepared_statements import PreparedStatements
from tests.infra.conftest import Conninfo

NOTICED_S = 10.0
BIG = 8 * 1024 * 1024  # More than the buffers of a socket hold.
POLL_S = 30.0  # Longer than any answer that is polled for.
HOWEVER = pytest.mark.parametrize("poll_s", [0.0, POLL_S], ids=["asleep", "polling"])
KILL = "SELECT pg_terminate_backend(%s)"

Story = Callable[[Connection, PreparedStatements], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def tell(request: pytest.FixtureRequest, conninfo: Conninfo) -> Tell:
    """Runs a story on a connection, on the event loops that there are."""
    run: Callable[[Awaitable[None]], None] = request.param

    async def with_connection(story: Story) -> None:
        connected = Connection.connect(conninfo("api"), autocommit=True, prepare_threshold=None)
        async with await connected as conn, asyncio.timeout(60):
            await story(conn, PreparedStatements(conn))

    return lambda story: run(with_connection(story))


async def echo(statements: PreparedStatements, said: bytes) -> bytes | None:
    result = await statements.execute("SELECT %b::bytea", [said])
    return result.get_value(0, 0)


async def sleep(statements: PreparedStatements, seconds: float, poll_s: float) -> None:
    await statements.execute(
        "SELECT pg_sleep((%b::text)::float8)", [b"%f" % seconds], polling=Polling(poll_s)
    )


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(NOTICED_S):
        while not seen():
            await asyncio.sleep(0.01)


async def kill(conninfo: str, pid: int) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as other:
        await other.execute(KILL, (pid,))


def test_statements_of_both_kinds_may_take_turns(tell: Tell) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        for number in range(20):
            assert await echo(statements, b"%d" % number) == b"%d" % number
            async with conn.transaction():
                row = await (await conn.execute("SELECT %s::int", (number,))).fetchone()
                assert row == (number,)
                assert await echo(statements, b"inside") == b"inside"

    tell(story)


def test_what_is_larger_than_every_buffer_arrives_whole(tell: Tell) -> None:
    async def story(_: Connection, statements: PreparedStatements) -> None:
        said = bytes(range(256)) * (BIG // 256)
        assert await echo(statements, said) == said
        assert await echo(statements, b"and after it") == b"and after it"

    tell(story)


def test_those_who_ask_at_once_are_answered_one_after_the_other(tell: Tell) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        async def by_psycopg(number: int) -> Any:
            return await (await conn.execute("SELECT %s::int", (number,))).fetchone()

        said = [b"%d" % number for number in range(30)]
        heard = await asyncio.gather(
            *(echo(statements, one) for one in said), *(by_psycopg(number) for number in range(30))
        )
        assert heard == [*said, *((number,) for number in range(30))]

    tell(story)


def test_an_error_of_a_statement_leaves_the_connection_as_it_was(tell: Tell) -> None:
    async def story(_: Connection, statements: PreparedStatements) -> None:
        for _number in range(3):
            with pytest.raises(psycopg.errors.DivisionByZero):
                await statements.execute("SELECT 1 / (%b::text)::int", [b"0"])
            assert await echo(statements, b"still here") == b"still here"

    tell(story)


def test_that_the_server_ends_it_is_noticed_while_nobody_asks(
    tell: Tell, database_url: str
) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        await echo(statements, b"watched from now on")
        await kill(database_url, conn.pgconn.backend_pid)
        await until(lambda: conn.closed)
        with pytest.raises(psycopg.OperationalError):
            await echo(statements, b"too late")

    tell(story)


@HOWEVER
def test_who_waits_for_an_answer_hears_that_the_server_is_gone(
    tell: Tell, database_url: str, poll_s: float
) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        asleep = asyncio.create_task(sleep(statements, 60, poll_s))
        await asyncio.sleep(0.05)
        await kill(database_url, conn.pgconn.backend_pid)
        async with asyncio.timeout(NOTICED_S):
            with pytest.raises(psycopg.OperationalError):
                await asleep
        assert conn.closed

    tell(story)


@HOWEVER
def test_who_does_not_wait_any_more_ends_the_connection(tell: Tell, poll_s: float) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        asleep = asyncio.create_task(sleep(statements, 60, poll_s))
        await asyncio.sleep(0.05)
        asleep.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asleep
        assert conn.closed

    tell(story)


def test_the_socket_of_a_closed_connection_may_be_of_the_next(
    tell: Tell, conninfo: Conninfo
) -> None:
    """Its number is, at once: what watched the old one must not hear of the new one."""

    async def story(conn: Connection, statements: PreparedStatements) -> None:
        await echo(statements, b"watched")
        for _ in range(5):
            number = conn.pgconn.socket
            await conn.close()
            conn = await Connection.connect(conninfo("api"), autocommit=True)
            assert conn.pgconn.socket == number
            assert await echo(PreparedStatements(conn), b"the next") == b"the next"
        await conn.close()

    tell(story)


def test_what_the_server_tells_unasked_is_no_answer(tell: Tell, database_url: str) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        await conn.execute("LISTEN something_is_told")
        await echo(statements, b"watched from now on")
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            for _ in range(3):
                await other.execute("NOTIFY something_is_told")
                await asyncio.sleep(0.02)
                assert await echo(statements, b"an answer") == b"an answer"

    tell(story)


def test_who_polls_gets_the_same_answers(tell: Tell) -> None:
    async def story(conn: Connection, statements: PreparedStatements) -> None:
        polling = Polling(POLL_S)
        for number in range(20):
            said = b"%d" % number
            result = await statements.execute("SELECT %b::bytea", [said], polling=polling)
            assert result.get_value(0, 0) == said
            assert await (await conn.execute("SELECT 7")).fetchone() == (7,)
        assert polling.seconds() == POLL_S

    tell(story)


def test_everybody_else_goes_on_while_somebody_polls(tell: Tell) -> None:
    async def story(_: Connection, statements: PreparedStatements) -> None:
        asleep = asyncio.create_task(sleep(statements, 0.2, POLL_S))
        turns = 0
        while not asleep.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 3

    tell(story)


def test_what_is_polled_for_in_vain_is_slept_for_ever_more_often(tell: Tell) -> None:
    async def story(_: Connection, statements: PreparedStatements) -> None:
        polling = Polling(0.001)
        slept: list[int] = []
        for _round in range(9):
            await statements.execute("SELECT pg_sleep(0.02)", [], polling=polling)
            count = 0
            while not polling.seconds():
                count += 1
            slept.append(count)
        assert slept == [1, 2, 4, 8, 16, 32, 64, 64, 64]
        polling.was_answered()
        polling.was_in_vain()
        assert [polling.seconds() for _turn in range(2)] == [0.0, 0.001]

    tell(story)
