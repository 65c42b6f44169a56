"""graphql-transport-ws: beginning, ending, and what a connection may not do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from fastapi import FastAPI
from websockets.exceptions import InvalidStatus

from read_api.router import build_read_routes
from tests.projections.histories import an_execution, completed, started, the_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.sockets import connected, serving

VERSIONS = "subscription($id: ID!) { executionUpdates(id: $id) { version } }"


@pytest.fixture
async def address(api: Api) -> AsyncIterator[str]:
    async with serving(api.app()) as address:
        yield address


async def test_the_credential_comes_in_the_first_message_or_in_a_header(
    api: Api, address: str
) -> None:
    async with connected(address) as socket:
        await socket.begin({"Authorization": KEY})
    async with connected(address) as socket:
        await socket.begin({"authorization": KEY})
    async with connected(address, headers={"Authorization": KEY}) as socket:
        await socket.begin(None)


@pytest.mark.parametrize("payload", [None, {}, {"Authorization": "Bearer al_unknown"}])
async def test_a_stranger_is_turned_away(address: str, payload: object) -> None:
    async with connected(address) as socket:
        await socket.send("connection_init", payload=payload)
        assert await socket.close_code() == 4403


@pytest.mark.parametrize(("message", "code"), [
    ({"kind": "subscribe", "id": "1", "payload": {"query": VERSIONS}}, 4401),
    ({"kind": "connection_init", "payload": "Bearer"}, 4400),
    ({"kind": "connection_init", "payload": {"Authorization": 1}}, 4400),
])  # fmt: skip
async def test_a_connection_begins_with_an_initialisation(
    address: str, message: dict[str, Any], code: int
) -> None:
    async with connected(address) as socket:
        await socket.send(**message)
        assert await socket.close_code() == code


async def test_connections_and_operations_count_against_the_limits_of_their_caller(
    api: Api, address: str
) -> None:
    api.limits.narrowed(tenant_per_min=2)
    async with connected(address) as socket:
        await socket.begin()
        # One after the other: a refusal is sooner told than an answer.
        await socket.subscribe("{ tenant { name } }", as_="answered")
        answered = [(await socket.receive())["type"] for _ in range(2)]
        assert answered == ["next", "complete"]
        await socket.subscribe("{ tenant { name } }", as_="refused")
        third = await socket.receive()
        assert third["type"] == "error"
        assert third["payload"][0]["extensions"]["code"] == "too_many_requests"
    async with connected(address) as socket:
        await socket.send("connection_init", payload={"Authorization": KEY})
        assert await socket.close_code() == 4403


async def test_whoever_does_not_begin_is_not_waited_for(api: Api) -> None:
    async with (
        serving(api.app(connection_init_wait_s=0.05)) as address,
        connected(address) as socket,
    ):
        assert await socket.close_code() == 4408


@pytest.mark.parametrize(("text", "code"), [
    ("{", 4400),
    ("[]", 4400),
    ('{"type": 1}', 4400),
    ('{"type": "start"}', 4400),
    ('{"type": "subscribe"}', 4400),
    ('{"type": "subscribe", "id": ""}', 4400),
    ('{"type": "connection_init"}', 4429),
    (b"{}", 4400),
])  # fmt: skip
async def test_what_is_no_message_ends_the_connection(
    address: str, text: str | bytes, code: int
) -> None:
    async with connected(address) as socket:
        await socket.begin()
        await socket.connection.send(text)
        assert await socket.close_code() == code


async def test_an_id_is_used_once_at_a_time(api: Api, address: str) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    async with connected(address) as socket:
        await socket.begin()
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        assert await socket.close_code() == 4409


async def test_the_older_protocol_is_not_spoken(address: str) -> None:
    async with connected(address, protocol="graphql-ws") as socket:
        assert await socket.close_code() == 4406
        assert socket.connection.subprotocol is None


async def test_pings_are_answered_with_what_they_carried(address: str) -> None:
    async with connected(address) as socket:
        await socket.send("ping")
        assert await socket.receive() == {"type": "pong"}
        await socket.begin()
        await socket.send("ping", payload={"n": 1})
        assert await socket.receive() == {"type": "pong", "payload": {"n": 1}}
        await socket.send("pong")
        await socket.send("ping")
        assert await socket.receive() == {"type": "pong"}


async def test_queries_are_answered_too_and_bad_ones_refused(api: Api, address: str) -> None:
    await api.happened(the_tenant(api.tenant_id))
    async with connected(address) as socket:
        await socket.begin()
        await socket.subscribe("{ tenant { name } }")
        assert await socket.following() == [{"tenant": {"name": "Ada & Co"}}]
        for payload in ({"query": "{ nothing }"}, {"query": ""}, {}, None, [1]):
            await socket.send("subscribe", id="1", payload=payload)
            message = await socket.receive()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["extensions"]["code"]


async def test_more_subscriptions_than_a_connection_may_have_are_refused(api: Api) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    app = api.app(subscriptions_per_connection_max=2)
    async with serving(app) as address, connected(address) as socket:
        await socket.begin()
        for number in ("1", "2"):
            await socket.subscribe(VERSIONS, as_=number, id=str(run.stream_id))
            await socket.following(1)
        await socket.subscribe(VERSIONS, as_="3", id=str(run.stream_id))
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("3", "error")
        assert message["payload"][0]["extensions"]["code"] == "too_many_subscriptions"
        await socket.send("complete", id="1")
        await socket.subscribe(VERSIONS, as_="3", id=str(run.stream_id))
        assert (await socket.receive())["type"] == "next"


async def test_a_server_follows_no_more_than_it_can(api: Api) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    app = api.app(subscriptions_max=0)
    async with serving(app) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        assert (await socket.receive())["payload"][0]["extensions"][
            "code"
        ] == "too_many_subscriptions"


async def test_a_subscription_ends_when_the_client_completes_it_or_goes(
    api: Api, address: str
) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    tail = api.dependencies.tail

    async def until_followed_by(count: int) -> None:
        async with asyncio.timeout(60):
            while tail.subscriptions_count() != count:
                await asyncio.sleep(0.005)

    async with connected(address) as socket:
        await socket.begin()
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        await socket.following(1)
        assert tail.subscriptions_count() == 1
        await socket.send("complete", id="1")
        await until_followed_by(0)
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        await socket.following(1)
        assert b'transport="websocket"} 1.0' in api.dependencies.metrics.exposition()
    await until_followed_by(0)
    assert b'transport="websocket"} 0.0' in api.dependencies.metrics.exposition()


async def test_a_credential_that_is_revoked_ends_its_connections(api: Api) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    app = api.app(authenticate_again_s=0.05)
    async with serving(app) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe(VERSIONS, id=str(run.stream_id))
        await socket.following(1)
        api.callers.known.clear()
        assert await socket.close_code() == 4401


async def test_a_client_that_does_not_read_is_not_read_for(lone_api: Api) -> None:
    """Events wait in the log, not in memory: no more are fetched than fill the connection's
    buffers.
    """
    run = an_execution(lone_api.tenant_id)
    for number in range(1500):
        completed(started(run, f"n{number}"), f"n{number}", output={"text": "x" * 20_000})
    await lone_api.record(run)
    query = "subscription($id: ID!) { executionUpdates(id: $id) { version data } }"
    async with (
        serving(lone_api.app(stream_page_events=20)) as address,
        connected(address) as socket,
    ):
        await socket.begin()
        await socket.subscribe(query, id=str(run.stream_id))
        fetched = await until_still(lambda: lone_api.database.checkouts * 20)
        assert fetched < len(run.events) / 2
        seen = await socket.following(len(run.events))
    assert [data["executionUpdates"]["version"] for data in seen] == list(range(1, 3002))


async def until_still(number: Callable[[], int]) -> int:
    """The number once it has begun to grow and then has not for a third of a second."""
    before, still_since = number(), None
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.02)
            if number() != before:
                before, still_since = number(), monotonic()
            elif still_since is not None and monotonic() - still_since > 0.3:
                return before


async def test_cross_site_websocket_hijacking_is_refused_before_the_connection(
    api: Api, address: str
) -> None:
    for origin in ("https://evil.example", "null", f"http://{address}.evil.example"):
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(address, headers={"Origin": origin}):
                pass
        assert refusal.value.response.status_code == 403
    async with connected(address, headers={"Origin": f"http://{address}"}) as socket:
        await socket.begin()


async def test_a_website_that_is_allowed_may_connect(api: Api) -> None:
    allowed = replace(api.dependencies, cors_origins=("https://app.example.com",))
    app = FastAPI()
    build_read_routes(app, allowed)
    async with (
        serving(app) as address,
        connected(address, headers={"Origin": "https://app.example.com"}) as socket,
    ):
        await socket.begin()
