"""Workers that are killed around taking a place under a limit of calls and giving it back: what
they held counts until its lease is over, comes free then, and no limit is passed.
"""

import asyncio
import signal

import httpx
import pytest

from domain.plans import STANDARD_ID
from infra.crash_points import CrashPoint
from tests.faults.broken import Broken
from tests.faults.conftest import OPERATOR_KEY, WAIT_S
from tests.faults.crash_chains import OF_LIMITS
from tests.faults.load import POLL_S, Client
from tests.plain_http import NO_AUTHORITIES

pytestmark = pytest.mark.timeout(600)

RUNS = 6
# The places that are held when nobody is left who gives them back. What one gave back the next in
# line may have taken before its worker died.
HELD: dict[CrashPoint, set[int]] = {
    "limits.before_take": {0},
    "limits.after_take": {1},
    "limits.before_settle": {1},
    "limits.after_settle": {0, 1},
}
COUNT_HELD = "SELECT count(*) FROM calls_under_way"
# As if nobody had renewed them for as long as a lease is.
LET_RUN_OUT = "UPDATE calls_under_way SET leased_until = 0"


async def test_a_place_of_a_worker_that_died_comes_free_and_no_limit_is_passed(
    on_either: Broken,
) -> None:
    assert HELD.keys() == OF_LIMITS
    effects, installation = on_either.effects, on_either.installation
    effects.takes_s = 0.02
    ordering = asyncio.create_task(ordered(on_either))
    held = 0
    for point, may_be_held in HELD.items():
        process = installation.start("all", AGENTLEDGER_CRASH_AT=point)
        if held:
            await require_place_comes_free(on_either)
        assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
        held = await held_count(on_either)
        assert held in may_be_held, point
    installation.start("all")
    if held:
        await require_place_comes_free(on_either)
    installation.start("serve", "worker")
    for run in await ordering:
        await on_either.client.until(run, frozenset({"COMPLETED"}))
    assert effects.most_at_once == 1
    effects.require_nothing_twice()
    assert [check.name for check in await on_either.checks() if not check.ok] == []


async def require_place_comes_free(broken: Broken) -> None:
    """What a worker that died holds is waited for, until it has run out."""
    receipts = broken.effects.receipts.total()
    await until_one_waits(broken.client)
    await asyncio.sleep(POLL_S)
    assert broken.effects.under_way == 0
    assert broken.effects.receipts.total() == receipts
    async with broken.owner() as conn:
        await conn.execute(LET_RUN_OUT)


async def ordered(broken: Broken) -> list[str]:
    """Runs of a tenant that may make one request at a time; each has one to make."""
    client = broken.client
    headers = {"X-Operator-Key": OPERATOR_KEY}
    body = {"limits": {"concurrent_http_calls": 1}}
    await client._until_answered("PATCH", f"/api/v1/plans/{STANDARD_ID}", body, headers)
    path = f"/workflows/{client.workflows['child']}/execute"
    begun = [client.post(path, {"input": {}}) for _ in range(RUNS)]
    return [str(one["execution_id"]) for one in await asyncio.gather(*begun)]


async def held_count(broken: Broken) -> int:
    async with broken.owner() as conn:
        (row,) = await (await conn.execute(COUNT_HELD)).fetchall()
    return int(row[0])


async def until_one_waits(client: Client) -> None:
    """As the process tells in its metrics, once it has started."""
    async with (
        asyncio.timeout(WAIT_S),
        httpx.AsyncClient(base_url=client.url, verify=NO_AUTHORITIES) as http,
    ):
        while True:
            try:
                told = (await http.get("/metrics")).text
            except httpx.HTTPError:
                told = ""
            if "\ncalls_waiting " in told and "\ncalls_waiting 0.0" not in told:
                return
            await asyncio.sleep(POLL_S)
