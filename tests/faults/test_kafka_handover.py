"""A rebalance of Kafka with calls under way: whoever made them brings them to their end, and nobody
makes one again.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from commands.ports import partition_of
from domain.identifiers import shard_of
from tests.faults.broken import Broken
from tests.faults.conftest import PARTITIONS, WAIT_S
from tests.faults.driver import SESSION_TIMEOUT_MS
from tests.faults.load import POLL_S
from tests.faults.processes import Started, pause

pytestmark = pytest.mark.timeout(600)

TALKATIVE = {
    "AGENTLEDGER_LOG_LEVEL": "INFO",
    "AGENTLEDGER_WORKER_HANDOVER_S": "25",
}
# What the client of Kafka says before it asks the worker to give up what it has.
GIVES_UP, OF_RUNS = "Revoking previously assigned partitions", ".executions"
WHO = (
    "SELECT topic, actor FROM events WHERE originator_id = %s"
    " AND topic LIKE 'execution.node_%%' ORDER BY originator_version"
)


async def test_a_rebalance_lets_calls_under_way_come_to_their_end(on_kafka: Broken) -> None:
    installation, effects = on_kafka.installation, on_kafka.effects
    first = installation.start("all", **TALKATIVE)
    effects.is_open.clear()
    runs = await begun_in_every_partition(on_kafka)
    await until(lambda: effects.under_way == len(runs), "not all calls are under way")
    installation.start("serve", "worker")
    await until(lambda: gives_up(first), "the first worker was not asked to give up")
    # For longer than a member lives of which the broker hears nothing.
    await pause(2 * SESSION_TIMEOUT_MS / 1000)
    assert effects.under_way == len(runs)
    effects.is_open.set()
    for run in runs:
        await on_kafka.client.until(run, frozenset({"COMPLETED"}))
    assert set(effects.receipts.values()) == {1}
    effects.require_nothing_twice()
    await require_each_call_ended_where_it_began(on_kafka, runs)
    assert [check.name for check in await on_kafka.checks() if not check.ok] == []


async def begun_in_every_partition(broken: Broken) -> list[str]:
    """Runs that each have two effects, one after the other."""
    runs: list[str] = []
    path = f"/workflows/{broken.client.workflows['nap']}/execute"
    while len({partition_of(shard_of(UUID(run)), PARTITIONS) for run in runs}) < PARTITIONS:
        runs.append(str((await broken.client.post(path, {"input": {}}))["execution_id"]))
    return runs


async def require_each_call_ended_where_it_began(broken: Broken, runs: list[str]) -> None:
    """And both workers went on with some of the runs."""
    async with broken.owner() as conn:
        told = [await (await conn.execute(WHO, (run,))).fetchall() for run in runs]
    (_, first), *_ = told[0]
    for rows in told:
        call = rows.index(("execution.node_started", first))
        assert rows[call + 1] == ("execution.node_completed", first)
    assert "execution.node_failed" not in {topic for rows in told for topic, _ in rows}
    assert len({actor for rows in told for _, actor in rows}) == 2


async def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(POLL_S)


def gives_up(worker: Started) -> bool:
    lines = worker.output.read_text(errors="replace").splitlines()
    return any(GIVES_UP in one and OF_RUNS in one and "TopicPartition" in one for one in lines)
