"""Following executions and tenants: in order, without gap, from any version on, one's own only."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.catalogue import AGGREGATES
from domain.executions import Execution
from infra.event_codec import TOPICS
from read_api.updates import OF_NODE, STATUSES, TERMINAL
from tests.projections.histories import (
    IDS,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    child_ended,
    child_started,
    compensation_started,
    completed,
    failed,
    resolved,
    started,
    suspended,
)
from tests.read_api.api import Api
from tests.read_api.sockets import Socket, connected, serving

FOLLOW = """subscription($id: ID!, $after: Int) { executionUpdates(id: $id, after: $after) {
  executionId version topic nodeId status recordedAt data } }"""
VERSIONS = """subscription($id: ID!, $after: Int) {
  executionUpdates(id: $id, after: $after) { version } }"""
NOTICES = """subscription($after: String) { tenantUpdates(after: $after) {
  position streamId version topic recordedAt } }"""


@pytest.fixture
async def socket(api: Api) -> AsyncIterator[Socket]:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        yield socket


async def versions(socket: Socket, count: int | None = None) -> list[int]:
    return [data["executionUpdates"]["version"] for data in await socket.following(count)]


async def error_code(socket: Socket) -> str:
    message = await socket.receive()
    assert message["type"] == "error", message
    (error,) = message["payload"]
    return error["extensions"]["code"]


async def test_a_finished_run_is_told_from_its_first_event_to_its_last(
    api: Api, socket: Socket
) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    failed(started(run, "draft"), "draft", retry_at="2026-01-01T00:00:09Z")
    completed(started(run, "draft", 2), "draft", 2)
    run.happens(Execution.NodesSkipped, paths=["left"])
    run.happens(Execution.Completed, output=1)
    await api.record(run)
    await socket.subscribe(FOLLOW, id=str(run.stream_id))
    seen = [data["executionUpdates"] for data in await socket.following()]
    assert [(u["version"], u["topic"], u["nodeId"], u["status"]) for u in seen] == [
        (1, "execution.created", None, "PENDING"),
        (2, "execution.started", None, "RUNNING"),
        (3, "execution.node_started", "draft", "RUNNING"),
        (4, "execution.node_failed", "draft", "WAITING"),
        (5, "execution.node_started", "draft", "RUNNING"),
        (6, "execution.node_completed", "draft", "COMPLETED"),
        (7, "execution.nodes_skipped", None, "SKIPPED"),
        (8, "execution.completed", None, "COMPLETED"),
    ]
    assert seen[0]["executionId"] == str(run.stream_id)
    assert seen[0]["recordedAt"] == "2026-01-01T00:00:01+00:00"
    assert seen[6]["data"] == {"paths": ["left"]}


async def test_what_happens_while_one_listens_is_told_as_it_happens(
    api: Api, socket: Socket
) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    await socket.subscribe(VERSIONS, id=str(run.stream_id))
    assert await versions(socket, 1) == [1]
    for path in ("a", "b"):
        started(run, path)
        await api.record(run)
        assert await versions(socket, 1) == [len(run.events)]
        completed(run, path)
        await api.record(run)
        assert await versions(socket, 1) == [len(run.events)]
    run.happens(Execution.Cancelled, reason=None, stopped_paths=[])
    await api.record(run)
    assert await versions(socket) == [6]


async def test_a_gap_is_never_seen_however_fast_it_goes(api: Api, socket: Socket) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    await socket.subscribe(VERSIONS, id=str(run.stream_id))

    async def write() -> None:
        for number in range(150):
            started(run, f"n{number}")
            completed(run, f"n{number}")
            await api.ledger.append(run.events[-2:])
            api.wakeups.hint()
        run.happens(Execution.Completed, output=None)
        await api.ledger.append(run.events[-1:])

    writing = asyncio.create_task(write())
    assert await versions(socket) == list(range(1, 303))
    await writing


async def test_following_goes_on_after_a_version(api: Api, socket: Socket) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    for after in (0, 1, 4, 6):
        await socket.subscribe(VERSIONS, id=str(run.stream_id), after=after)
        assert await versions(socket) == list(range(after + 1, 8))


async def test_following_from_the_end_on_completes_at_once(api: Api, socket: Socket) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    await socket.subscribe(VERSIONS, id=str(run.stream_id), after=7)
    assert await versions(socket) == []


async def test_a_run_that_goes_on_after_an_end_is_told_up_to_its_last_one(
    api: Api, socket: Socket
) -> None:
    run = failed(started(an_execution(api.tenant_id), "draft"), "draft")
    why = {"path": "draft", "attempt": 1, "code": "timeout", "message": "too slow"}
    run.happens(Execution.Failed, stopped_paths=[], **why)
    run.happens(Execution.Retried, paths=["draft"])
    completed(started(run, "draft", 2), "draft", 2)
    run.happens(Execution.Completed, output=None)
    compensation_started(run).happens(Execution.Compensated, paths=[])
    await api.record(run)
    for after in (0, 4, 5, 8):
        await socket.subscribe(VERSIONS, id=str(run.stream_id), after=after)
        assert await versions(socket) == list(range(after + 1, 11))


async def test_a_run_that_needs_attention_is_followed_further(api: Api, socket: Socket) -> None:
    run = an_execution(api.tenant_id)
    run.happens(Execution.AttentionNeeded, message="look", paths=["draft"], done_paths=[])
    await api.record(run)
    await socket.subscribe(VERSIONS, id=str(run.stream_id))
    assert await versions(socket, 2) == [1, 2]
    run.happens(Execution.Cancelled, reason=None, stopped_paths=[])
    await api.record(run)
    assert await versions(socket) == [3]


async def test_nodes_that_wait_and_what_ends_it_have_a_status_where_the_event_says_it(
    api: Api, socket: Socket
) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    child_id = IDS.new()
    child_started(run, "told", child_id)
    child_started(run, "untold", IDS.new(), is_awaited=False)
    suspended(run, "paid")
    run.happens(Execution.Suspended, wake_at=None)
    run.happens(Execution.Signalled, name="paid", payload=1)
    child_ended(run, "told", child_id)
    resolved(run, "draft", "retry")
    resolved(run, "draft", "skip")
    compensation_started(run).happens(Execution.Compensated, paths=[])
    await api.record(run)
    await socket.subscribe(FOLLOW, id=str(run.stream_id), after=2)
    seen = [data["executionUpdates"] for data in await socket.following()]
    assert [(u["nodeId"], u["status"]) for u in seen] == [
        ("told", "WAITING"),
        ("untold", "RUNNING"),
        ("paid", "WAITING"),
        (None, "WAITING"),
        (None, None),
        ("told", None),
        ("draft", "WAITING"),
        ("draft", "COMPLETED"),
        (None, "COMPENSATING"),
        (None, "COMPENSATED"),
    ]


async def test_what_cannot_be_followed_is_a_clear_error(api: Api, socket: Socket) -> None:
    run, agent, foreign = (
        a_finished_run(api.tenant_id),
        an_agent(api.tenant_id),
        a_finished_run(a_tenant()),
    )
    await api.record(run, agent, foreign)
    for stream_id in (foreign.stream_id, agent.stream_id, IDS.new(), "nonsense"):
        for after in (0, 1, 5):
            await socket.subscribe(VERSIONS, id=str(stream_id), after=after)
            assert await error_code(socket) == "not_found"
    await socket.subscribe(VERSIONS, id=str(run.stream_id), after=8)
    assert await error_code(socket) == "bad_version"
    await socket.subscribe(NOTICES, after="no position")
    assert await error_code(socket) == "bad_position"


async def test_a_tenant_hears_of_everything_of_its_own_after_a_position(
    api: Api, socket: Socket
) -> None:
    first, foreign = a_finished_run(api.tenant_id), a_finished_run(a_tenant())
    await api.record(first)
    await api.record(foreign)
    query = "{ events(first: 4) { edges { node { position } } } }"
    position = (await api.read(query))["events"]["edges"][3]["node"]["position"]
    await socket.subscribe(NOTICES, after=position)
    seen = [data["tenantUpdates"] for data in await socket.following(3)]
    assert [(notice["streamId"], notice["version"]) for notice in seen] == [
        (str(first.stream_id), version) for version in (5, 6, 7)
    ]
    assert seen[2]["topic"] == "execution.completed"
    agent = an_agent(api.tenant_id)
    await api.record(a_finished_run(a_tenant()), agent)
    (notice,) = await socket.following(1)
    assert notice["tenantUpdates"]["streamId"] == str(agent.stream_id)
    assert notice["tenantUpdates"]["recordedAt"] == "2026-01-01T00:00:01+00:00"


async def test_without_a_position_a_tenant_hears_of_what_comes(api: Api, socket: Socket) -> None:
    await api.record(a_finished_run(api.tenant_id))
    await socket.subscribe(NOTICES)
    while not api.dependencies.tail.subscriptions_count():
        await asyncio.sleep(0.005)
    # A subscription has begun when its place is read; a query behind it on the same socket proves
    # that it was.
    await socket.subscribe("{ projections { name } }", as_="probe")
    while (await socket.receive())["type"] != "complete":
        pass
    agent = an_agent(api.tenant_id)
    await api.record(agent)
    (notice,) = await socket.following(1)
    assert notice["tenantUpdates"]["streamId"] == str(agent.stream_id)


def test_every_event_of_an_execution_has_a_status() -> None:
    assert Execution in AGGREGATES
    of_executions = {topic for topic in TOPICS if topic.startswith("execution.")}
    assert set(STATUSES) == of_executions - {"execution"}
    assert of_executions >= TERMINAL | OF_NODE
