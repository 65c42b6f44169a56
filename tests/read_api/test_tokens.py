"""Following what models say in a run: whole, as it comes, one's own only, until the run ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from commands.authorization import ROLE_GRANTS, Caller
from domain.executions import Execution
from infra.live_text import WAITING_PIECES_MAX, LiveCall
from tests.projections.histories import IDS, Stream, a_finished_run, a_tenant, an_execution
from tests.read_api.api import KEY, Api
from tests.read_api.sockets import Socket, connected, serving
from tests.read_api.test_updates import error_code

FOLLOW = """subscription($id: ID!) { tokens(executionId: $id) {
  executionId nodeId attempt offset text } }"""


@pytest.fixture
async def socket(api: Api) -> AsyncIterator[Socket]:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        yield socket


async def a_run(api: Api) -> Stream:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    await api.happened(run)
    return run


def says(call: LiveCall, text: str) -> None:
    call.tell(text)
    call.flush()


async def told(socket: Socket, count: int | None = None) -> list[Any]:
    chunks = [data["tokens"] for data in await socket.following(count)]
    return [(one["nodeId"], one["attempt"], one["offset"], one["text"]) for one in chunks]


async def test_text_is_told_from_its_beginning_until_the_run_ends(api: Api, socket: Socket) -> None:
    run, live = await a_run(api), api.dependencies.live_text
    with live.call(api.tenant_id, run.stream_id, "draft", 1) as call:
        says(call, "Dear 🙂 ")
        await socket.subscribe(FOLLOW, id=str(run.stream_id))
        assert await told(socket, 1) == [("draft", 1, 0, "Dear 🙂 ")]
        assert live.is_followed(api.tenant_id, run.stream_id)
        says(call, "Ada,")
        assert await told(socket, 1) == [("draft", 1, 7, "Ada,")]
        call.tell(" yours")
    await api.record(run.happens(Execution.Completed, output=1))
    assert await told(socket) == [("draft", 1, 11, " yours")]
    assert not live.is_followed(api.tenant_id, run.stream_id)


async def test_a_run_that_has_ended_says_nothing(api: Api, socket: Socket) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    await socket.subscribe(FOLLOW, id=str(run.stream_id))
    assert await told(socket) == []


async def test_nobody_hears_another_tenants_runs_or_those_of_somebody_else(
    api: Api, socket: Socket
) -> None:
    foreign = an_execution(a_tenant()).happens(Execution.Started)
    await api.record(foreign)
    for unknown in (str(foreign.stream_id), "x"):
        await socket.subscribe(FOLLOW, id=unknown)
        assert await error_code(socket) == "not_found"
    # The id of a stream says nothing by itself: what is told is told to its tenant.
    run = await a_run(api)
    with api.dependencies.live_text.follow(a_tenant(), run.stream_id) as following:
        with api.dependencies.live_text.call(api.tenant_id, run.stream_id, "n", 1) as call:
            says(call, "secret")
        assert not following.has_waiting
    grants = ROLE_GRANTS["USER"]
    person = IDS.new()
    api.callers.known[KEY] = Caller(
        f"user:{person}", api.tenant_id, grants.scopes, user_id=person, own_only=grants.own_only
    )
    async with serving(api.app()) as address, connected(address) as theirs:
        await theirs.begin()
        await theirs.subscribe(FOLLOW, id=str(run.stream_id))
        assert await error_code(theirs) == "not_found"


async def test_who_does_not_keep_up_is_told_so_and_follows_no_longer(api: Api) -> None:
    run, live = await a_run(api), api.dependencies.live_text
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe(FOLLOW, id=str(run.stream_id))
        with live.call(api.tenant_id, run.stream_id, "draft", 1) as call:
            says(call, "a")
            assert await told(socket, 1) == [("draft", 1, 0, "a")]
            for _ in range(WAITING_PIECES_MAX + 2):
                says(call, "b")
        assert len(await told(socket, WAITING_PIECES_MAX)) == WAITING_PIECES_MAX
        assert await error_code(socket) == "too_slow"
