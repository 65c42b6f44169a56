"""PostgreSQL goes down, drops its connections, refuses new ones, is full: clients hear 503, nothing
is half done, and everything goes on by itself.
"""

import pytest
from psycopg import sql

from infra.embedded_postgres import EmbeddedPostgres
from tests.faults.broken import Broken
from tests.faults.processes import pause

pytestmark = pytest.mark.timeout(600)

FAULT_S = 4.0
STORM_S = 0.2
CONNECTIONS_FEW = 2
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
LIMIT = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")


@pytest.fixture
async def live(on_postgres: Broken) -> Broken:
    """Every role at work, in two processes."""
    for _ in range(2):
        on_postgres.begin_runs()
    on_postgres.installation.start("all")
    on_postgres.installation.start("serve", "worker")
    await on_postgres.all_runs_begun()
    on_postgres.begin_runs()
    return on_postgres


async def test_an_immediate_restart_of_postgresql_loses_nothing(
    live: Broken, postgres_server: EmbeddedPostgres
) -> None:
    for _ in range(2):
        restarted = postgres_server.pg_ctl(
            "restart", "-m", "immediate", "-w", "-l", str(postgres_server._log)
        )
        assert restarted.returncode == 0, restarted.stderr
        live.begin_runs()
        await pause(STORM_S)
    await live.require_everything_holds()


async def test_a_storm_that_ends_every_connection_again_and_again_passes(live: Broken) -> None:
    async with live.owner() as conn:
        for _ in range(int(FAULT_S / STORM_S)):
            await conn.execute(TERMINATE)
            await pause(STORM_S)
        live.begin_runs()
    await live.require_everything_holds()


async def test_too_many_connections_are_an_answer_and_not_an_end(live: Broken) -> None:
    """The database has room for two, so that most pools get none."""
    async with live.owner() as conn:
        name = sql.Identifier(conn.info.dbname)
        await conn.execute(LIMIT.format(name, CONNECTIONS_FEW))
        await conn.execute(TERMINATE)
        live.begin_runs()
        await pause(FAULT_S)
        await conn.execute(LIMIT.format(name, -1))
    await live.require_everything_holds()
