"""A budget for ten calls and two hundred runs that each want one, on one process and on several,
with and without a limit of the answer, streamed and not, and with a process that dies in between:
exactly ten are made, nothing is held for ever, and nobody is refused what is left.
"""

import asyncio
import signal
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from domain.identifiers import JsonObject
from tests.domain.given import a_graph
from tests.faults.broken import Broken
from tests.faults.processes import Started
from tests.plain_http import NO_AUTHORITIES

pytestmark = pytest.mark.timeout(600)

RUNS, CALLS = 200, 10
ANSWER = " ".join(["word"] * 16)
# One word asks, sixteen answer: 1 + 2 * 16 millionths of a USD.
CALL_USD_PICO = 33_000_000
AT_ONCE = 20
# On a busy machine a shorter one goes to another, who does not know what was in hand: nobody died.
LEASE = {"AGENTLEDGER_LEASE_TTL_S": "30"}
CRASH = "budgets.after_reserve:2"
END_S = 90.0
POLL_S = 0.05
ENDS = "SELECT topic, count(*) FROM events WHERE topic = ANY(%s) GROUP BY topic"
COUNTED = (
    "SELECT spent::bigint, reserved::bigint, overshot::bigint FROM budget_counters"
    " WHERE budget_id = %s"
)


@dataclass
class Outcome:
    """calls: intents that were stored. counted: spent, reserved, overshot."""

    completed: int
    failed: int
    calls: int
    counted: tuple[int, int, int]


def asking(*, delay_s: float = 0.02, **fields: Any) -> JsonObject:
    """A run of one call. fields: of its node; tokens_max: of its answer."""
    parameters: JsonObject = {"script": [{"text": ANSWER, "delay_s": delay_s}]}
    if tokens_max := fields.pop("tokens_max", None):
        parameters["max_tokens"] = tokens_max
    config: JsonObject = {"model": "offline/script", "prompt": "Hello", "parameters": parameters}
    node: JsonObject = {"id": "call", "type": "llm", "config": config, **fields}
    return a_graph([node], ["start -> call", "call -> end"])


async def spend(broken: Broken, definition: JsonObject) -> Outcome:
    client = broken.client
    workflow = await client.post("/workflows", {"name": "spend", "definition": definition})
    budget = await client.post(
        "/budgets",
        {
            "scope": {"type": "workflow", "id": workflow["workflow_id"]},
            "period": "total",
            "limit_usd": f"{CALLS * CALL_USD_PICO / 10**12:.9f}",
            "mode": "hard",
            "notify_at": [0.5, 1],
        },
    )
    path = f"/api/v1/workflows/{workflow['workflow_id']}/execute"
    headers = {"Authorization": f"Bearer {client.api_key}"}
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(
        base_url=client.url, headers=headers, timeout=30, verify=NO_AUTHORITIES
    ) as http:

        async def begin() -> None:
            async with turns:
                assert (await http.post(path, json={"input": {}})).status_code == 202

        await asyncio.gather(*(begin() for _ in range(RUNS)))
    return await outcome(broken, str(budget["budget_id"]))


async def outcome(broken: Broken, budget_id: str) -> Outcome:
    deadline = asyncio.get_running_loop().time() + END_S
    async with broken.owner() as conn:
        while True:
            row = await (await conn.execute("SELECT count(*) FROM open_executions")).fetchone()
            if row == (0,):
                break
            assert asyncio.get_running_loop().time() < deadline, broken.installation.said()
            await asyncio.sleep(POLL_S)
        topics = ["execution.completed", "execution.failed", "execution.node_started"]
        found = dict(await (await conn.execute(ENDS, (topics,))).fetchall())
        (counted,) = await (await conn.execute(COUNTED, (budget_id,))).fetchall()
    completed, failed, calls = (found.get(topic, 0) for topic in topics)
    return Outcome(completed, failed, calls, counted)


async def require_counted(broken: Broken) -> None:
    """What is counted beside the log is what the log says."""
    checks = [one for one in await broken.checks() if "every budget" in one.name]
    assert len(checks) == 2
    assert {one.name: one.violations for one in checks if not one.ok} == {}


ALL_SPENT = Outcome(
    completed=CALLS,
    failed=RUNS - CALLS,
    calls=CALLS,
    counted=(CALLS * CALL_USD_PICO, 0, 0),
)


def start(broken: Broken, processes: int, **environment: str) -> list[Started]:
    first = broken.installation.start("all", **environment)
    others = [
        broken.installation.start("serve", "worker", **environment) for _ in range(processes - 1)
    ]
    return [first, *others]


@pytest.mark.parametrize(
    ("processes", "fields"),
    [
        pytest.param(1, {"tokens_max": 16}, id="one process", marks=pytest.mark.slow),
        pytest.param(3, {"heartbeat_s": 20}, id="three processes, streamed, without a limit"),
        pytest.param(4, {"tokens_max": 1000}, id="four, a wide limit", marks=pytest.mark.slow),
        pytest.param(4, {}, id="four, without a limit", marks=pytest.mark.slow),
        pytest.param(
            4, {"tokens_max": 16, "heartbeat_s": 20}, id="four, streamed", marks=pytest.mark.slow
        ),
    ],
)
async def test_a_budget_for_ten_calls_admits_exactly_ten(
    on_postgres: Broken, processes: int, fields: dict[str, Any]
) -> None:
    start(on_postgres, processes, **LEASE)
    assert await spend(on_postgres, asking(**fields)) == ALL_SPENT


async def test_a_worker_that_dies_overshoots_nothing_and_leaks_nothing(on_postgres: Broken) -> None:
    """What it had in hand is held until somebody says what it used: no call more is made for it."""
    worker = on_postgres.installation.start("serve", "worker", AGENTLEDGER_CRASH_AT=CRASH)
    on_postgres.installation.start("serve", "api")
    spending = asyncio.create_task(spend(on_postgres, asking(tokens_max=16, timeout_s=2)))
    assert await worker.ended(wait_s=END_S) == -signal.SIGKILL
    on_postgres.installation.start("serve", "worker")
    ended = await spending
    spent, held, overshot = ended.counted
    assert (ended.calls, overshot) == (CALLS, 0)
    assert spent + held == CALLS * CALL_USD_PICO
    assert held > 0
    assert ended.completed == spent // CALL_USD_PICO
    await require_counted(on_postgres)
