"""One process per role on PostgreSQL and a real Kafka: sharing the work, and losing nothing when
one is killed.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.end_to_end.conftest import OPERATOR_KEY
from tests.end_to_end.stack import Api, Stack, new_tenant
from tests.end_to_end.stories import question_workflow, scripted_workflow
from tests.end_to_end.traces import CLIENT, assert_traced
from tests.otlp_receiver import OtlpReceiver
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def kafka_api(roles_on_kafka: Stack) -> AsyncIterator[Api]:
    client = Api(roles_on_kafka.url, new_tenant(roles_on_kafka.url, OPERATOR_KEY, "Kafka"))
    yield client
    await client.http.aclose()


async def execute(api: Api, workflow_id: object, *, runs: int) -> list[str]:
    started = [
        await api.post(f"/workflows/{workflow_id}/execute", {"input": {"question": f"number {n}?"}})
        for n in range(runs)
    ]
    return [str(run["execution_id"]) for run in started]


async def workers_of(api: Api, runs: list[str]) -> set[str]:
    query = "query($id: ID!) { events(streamId: $id, first: 50) { edges { node { actor } } } }"
    actors: set[str] = set()
    for run in runs:
        edges = (await api.query(query, id=run))["events"]["edges"]
        actors |= {edge["node"]["actor"] or "" for edge in edges}
    return {actor for actor in actors if actor.startswith("worker:")}


def metrics_with(wanted: str, url: str) -> str:
    """What a process tells, once that is among it: some of it is measured every few seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        told = httpx.get(f"{url}/metrics", timeout=PATIENCE_S, verify=NO_AUTHORITIES).text
        if wanted in told:
            return told
        assert time.monotonic() < deadline, f"{wanted} is not in {told}"
        time.sleep(0.1)


# What each process tells about its own work.
TOLD = {
    "api": "relay_oldest_unpublished_seconds",
    "relay": "relay_active 1.0",
    "worker-1": 'consumer_stalled{group="executions"} 0.0',
    "worker-2": 'consumer_stalled{group="executions"} 0.0',
    "projector-1": 'consumer_lag_events{group="projections"',
    "projector-2": 'consumer_lag_events{group="projections"',
}


def assert_each_role_answers_for_itself(stack: Stack) -> None:
    told: dict[str, str] = {}
    for name, port in stack.probe_ports.items():
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz", timeout=PATIENCE_S, verify=NO_AUTHORITIES).json() == {
            "status": "ok"
        }
        ready = httpx.get(f"{url}/readyz", timeout=PATIENCE_S, verify=NO_AUTHORITIES)
        assert ready.status_code == 200, (name, ready.text)
        told[name] = metrics_with(TOLD[name], url)
    assert "relay_published_total 0.0" not in told["relay"]
    assert 'saga_steps_total{node_type="llm",result="completed"}' in told["worker-1"]


async def test_two_workers_and_two_projectors_share_the_partitions(
    roles_on_kafka: Stack, kafka_api: Api, collector: OtlpReceiver
) -> None:
    workflow = await kafka_api.post("/workflows", question_workflow())
    workers: set[str] = set()
    async with asyncio.timeout(120):
        # The second worker gets its half when the group has rebalanced.
        while len(workers) < 2:
            runs = await execute(kafka_api, workflow["workflow_id"], runs=20)
            for run in runs:
                assert (await kafka_api.execution_at_end(run))["status"] == "COMPLETED"
            workers |= await workers_of(kafka_api, runs)
    roles_on_kafka.verify()
    path = f"/workflows/{workflow['workflow_id']}/execute?wait_s=30"
    run = await kafka_api.post(path, {"input": {"question": "a canary?"}}, traceparent=CLIENT)
    tenant = (await kafka_api.query("{ tenant { id } }"))["tenant"]["id"]
    topic = roles_on_kafka.environment["AGENTLEDGER_KAFKA_TOPIC"]
    assert_traced(collector, str(run["execution_id"]), str(tenant), topic)
    (published,) = collector.wait_for(f"publish {topic}")
    assert published.resource["agentledger.role"] == "relay"
    assert_each_role_answers_for_itself(roles_on_kafka)


async def test_killing_relay_worker_and_projector_in_the_middle_of_load_loses_nothing(
    roles_on_kafka: Stack, kafka_api: Api
) -> None:
    workflow = await kafka_api.post(
        "/workflows",
        scripted_workflow([{"text": "done", "delay_s": 0.2}], retry={"max_attempts": 5}),
    )
    runs: list[str] = []
    for role in ("relay", "worker-1", "projector-1"):
        runs += await execute(kafka_api, workflow["workflow_id"], runs=25)
        roles_on_kafka.processes[role].kill()
        runs += await execute(kafka_api, workflow["workflow_id"], runs=25)
        roles_on_kafka.processes[role].start()
    for run in runs:
        ended = await kafka_api.execution_at_end(run, wait_s=90)
        assert ended["status"] == "COMPLETED", ended
    roles_on_kafka.verify()
