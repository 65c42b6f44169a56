"""A request with a secret in it reaches only hosts that the secret allows, at the level of sockets:
where it must not go, not even a connection is made.
"""

import pytest

from commands.http_port import HttpFailed
from domain.allowed_hosts import canonical_entry
from tests.infra.http_steps import LOOPBACK, a_client, failure_of, to
from tests.web_server import answer, web_server

VALUE = "s3cret-value"


def only(*entries: str) -> tuple[tuple[str, ...], ...]:
    return (tuple(map(canonical_entry, entries)),)


async def test_it_goes_to_an_allowed_host() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer(204)
        hosts = only(f"http://{LOOPBACK}:{server.port}")
        await client.send(to(server, headers={"X-Key": VALUE}, allowed_hosts=hosts))
        assert server.requests[0].headers["x-key"] == VALUE


@pytest.mark.parametrize("entries", [(), ("api.example.com",), ("*",), ("http://127.0.0.1:1",)])
async def test_it_goes_to_no_other(entries: tuple[str, ...]) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, told):
        request = to(server, headers={"X-Key": VALUE}, allowed_hosts=only(*entries))
        assert await failure_of(client, request) == ("secret_not_allowed", False)
        assert (server.connections_count, told.asked) == (0, [])


async def test_of_two_secrets_both_must_allow_it() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        here = only(f"http://{LOOPBACK}:{server.port}")
        request = to(server, allowed_hosts=(*here, *only("api.example.com")))
        assert await failure_of(client, request) == ("secret_not_allowed", False)
        assert server.connections_count == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_takes_it_elsewhere(status: int) -> None:
    """307 and 308 would send the body again, and any of them a query that the server wrote."""
    async with web_server() as server, web_server() as thief:
        reachable = ((LOOPBACK, server.port), (LOOPBACK, thief.port))
        async with a_client(*reachable) as (client, _):
            server.answers["/"] = answer(status, location=f"http://{LOOPBACK}:{thief.port}/")
            thief.answers["/"] = answer(204)
            hosts = only(f"http://{LOOPBACK}:{server.port}")
            request = to(server, method="POST", body=VALUE.encode(), allowed_hosts=hosts)
            assert await failure_of(client, request) == ("secret_not_allowed", False)
            assert thief.connections_count == 0


async def test_the_refusal_names_the_host_and_not_the_path() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        request = to(server, f"/{VALUE}", query=(("q", VALUE),), allowed_hosts=only())
        with pytest.raises(HttpFailed) as failure:
            await client.send(request)
        assert f"http://{LOOPBACK}:{server.port}" in failure.value.message
        assert VALUE not in str(failure.value)
