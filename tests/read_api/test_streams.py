"""The events of one execution as server-sent events."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from commands.authorization import Caller
from domain.executions import Execution
from tests.plain_http import NO_AUTHORITIES
from tests.projections.histories import IDS, a_finished_run, a_tenant, an_execution
from tests.read_api.api import KEY, Api
from tests.read_api.sockets import Frame, frames, serving


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    app = api.app(heartbeat_s=0.05, authenticate_again_s=0.1)
    async with serving(app) as address, client_of(address) as client:
        yield client


def client_of(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://{address}",
        headers={"Authorization": KEY},
        timeout=60,
        verify=NO_AUTHORITIES,
    )


def path_of(execution_id: object) -> str:
    return f"/api/v1/executions/{execution_id}/events"


async def versions(client: httpx.AsyncClient, execution_id: object, **headers: str) -> list[int]:
    async with client.stream("GET", path_of(execution_id), headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return [frame.id async for frame in frames(response) if isinstance(frame, Frame)]


async def test_a_finished_run_is_told_to_its_end(api: Api, client: httpx.AsyncClient) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    async with client.stream("GET", path_of(run.stream_id)) as response:
        seen = [frame async for frame in frames(response) if isinstance(frame, Frame)]
    assert [frame.id for frame in seen] == list(range(1, 8))
    assert seen[4].data["data"].pop("usage")["provider"] == "offline"
    assert seen[4] == Frame(
        5,
        "execution.node_completed",
        {
            "executionId": str(run.stream_id),
            "version": 5,
            "topic": "execution.node_completed",
            "nodeId": "draft",
            "status": "COMPLETED",
            "recordedAt": "2026-01-01T00:00:05+00:00",
            "data": {
                "path": "draft",
                "node_type": "llm",
                "attempt": 1,
                "output": {"text": "draft"},
                "ports": [],
                "model": "offline/echo",
                "tokens_in": 3,
                "tokens_out": 5,
                "cost_usd_pico": 13_000_000,
            },
        },
    )


async def test_a_reader_resumes_after_the_last_event_it_saw(
    api: Api, client: httpx.AsyncClient
) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    assert await versions(client, run.stream_id, **{"Last-Event-ID": "5"}) == [6, 7]


async def test_a_reader_that_saw_the_end_is_told_to_stop(
    api: Api, client: httpx.AsyncClient
) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    response = await client.get(path_of(run.stream_id), headers={"Last-Event-ID": "7"})
    assert response.status_code == 204


async def test_a_quiet_stream_shows_that_it_lives_and_then_goes_on(
    api: Api, client: httpx.AsyncClient
) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    async with client.stream("GET", path_of(run.stream_id)) as response:
        told = frames(response)
        first = await anext(told)
        assert isinstance(first, Frame)
        assert await anext(told) == ": still here"
        run.happens(Execution.Cancelled, reason=None, stopped_paths=[])
        await api.record(run)
        rest = [frame.id async for frame in told if isinstance(frame, Frame)]
    assert rest == [2]


@pytest.mark.parametrize("last_event_id", ["8", "-1", "x", "9" * 30])
async def test_a_version_that_is_not_there_is_refused(
    api: Api, client: httpx.AsyncClient, last_event_id: str
) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    response = await client.get(path_of(run.stream_id), headers={"Last-Event-ID": last_event_id})
    assert (response.status_code, response.json()["code"]) == (422, "bad_version")
    assert response.headers["content-type"] == "application/problem+json"


async def test_what_is_not_ones_own_is_not_found(api: Api, client: httpx.AsyncClient) -> None:
    foreign = a_finished_run(a_tenant())
    await api.record(foreign)
    for execution_id in (foreign.stream_id, IDS.new(), "nonsense"):
        response = await client.get(path_of(execution_id))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_strangers_and_the_unentitled_are_refused(
    api: Api, client: httpx.AsyncClient
) -> None:
    path = path_of(IDS.new())
    stranger = await client.get(path, headers={"Authorization": ""})
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
    api.callers.known[KEY] = Caller("api_key:1", api.tenant_id, frozenset({"agents:write"}))
    assert (await client.get(path)).status_code == 403


async def test_what_is_found_out_after_the_end_leaves_a_run_at_its_end(
    api: Api, client: httpx.AsyncClient
) -> None:
    run = a_finished_run(api.tenant_id)
    run.happens(
        Execution.UsageUnresolved,
        path="draft",
        node_type="llm",
        attempt=1,
        model="offline/echo",
        workflow_id=None,
        created_by="user:ada",
    )
    await api.record(run)
    assert await versions(client, run.stream_id) == list(range(1, 9))
    late = {"Last-Event-ID": "8"}
    async with client.stream("GET", path_of(run.stream_id), headers=late) as response:
        assert response.status_code == 204


async def test_a_credential_that_is_revoked_ends_its_streams(
    api: Api, client: httpx.AsyncClient
) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    async with client.stream("GET", path_of(run.stream_id)) as response:
        told = frames(response)
        await anext(told)
        api.callers.known.clear()
        async with asyncio.timeout(60):
            assert not [frame async for frame in told if isinstance(frame, Frame)]


async def test_a_reader_that_goes_is_followed_no_more(api: Api, client: httpx.AsyncClient) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    async with client.stream("GET", path_of(run.stream_id)) as response:
        await anext(frames(response))
        assert api.dependencies.tail.subscriptions_count() == 1
    async with asyncio.timeout(60):
        while api.dependencies.tail.subscriptions_count():
            await asyncio.sleep(0.005)


async def test_a_server_follows_no_more_than_it_can(api: Api) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    async with serving(api.app(subscriptions_max=0)) as address, client_of(address) as client:
        response = await client.get(path_of(run.stream_id))
    assert (response.status_code, response.json()["code"]) == (503, "too_many_subscriptions")
