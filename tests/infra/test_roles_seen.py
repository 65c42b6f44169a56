"""Which roles run, as every process says it."""

import asyncio

import psycopg

from infra.roles_seen import roles_seen, say_which_run
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

WAIT_S = 60


async def test_a_role_is_seen_with_its_processes_and_a_silent_one_is_remembered(
    parts: Parts, database_url: str
) -> None:
    conninfo = parts.conninfo("tail")
    roles = (["api", "worker"], ["worker"])
    saying = [asyncio.create_task(say_which_run(conninfo, IDS.new(), one)) for one in roles]
    database = await parts.database("api")
    try:
        async with asyncio.timeout(WAIT_S), database.connection() as conn:
            while {(one.role, one.processes) for one in await roles_seen(conn)} != {
                ("api", 1),
                ("worker", 2),
            }:
                await asyncio.sleep(0.01)
    finally:
        for task in saying:
            task.cancel()
        await asyncio.gather(*saying, return_exceptions=True)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("UPDATE agentledger.roles_seen SET seen_at = now() - interval '2 days'")
    async with database.connection() as conn:
        assert {(one.role, one.processes) for one in await roles_seen(conn)} == {
            ("api", 0),
            ("worker", 0),
        }
