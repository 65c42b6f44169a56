"""What httpx sends through the guarded client arrives as it was meant; no redirect is followed."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from infra.guarded_transport import GuardedTransport
from infra.http_client import GuardedHttp
from infra.oauth_exchange import DOCUMENT_BYTES_MAX
from tests.web_server import WebServer, answer, web_server


@asynccontextmanager
async def a_client(server: WebServer) -> AsyncIterator[httpx.AsyncClient]:
    http = GuardedHttp(allowed=frozenset({("127.0.0.1", server.port)}), connections_max=2)
    transport = GuardedTransport(http, timeout_s=5, response_bytes_max=1000)
    base_url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client
    await http.aclose()


async def test_method_headers_body_and_query_arrive() -> None:
    async with web_server() as server, a_client(server) as client:
        server.answers["/a"] = answer(201, b'{"b": 1}', Content_Type="application/json")
        response = await client.post("/a?c=d", data={"e": "f"}, headers={"X-G": "h"})
        assert (response.status_code, response.json()) == (201, {"b": 1})
        (received,) = server.requests
        assert (received.method, received.target, received.body) == ("POST", "/a?c=d", b"e=f")
        assert received.headers["x-g"] == "h"
        assert received.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_redirect_is_the_answer() -> None:
    async with web_server() as server, a_client(server) as client:
        server.answers["/a"] = answer(307, Location="/b")
        response = await client.get("/a")
        assert (response.status_code, response.headers["location"]) == (307, "/b")
        assert len(server.requests) == 1


async def test_an_address_that_is_not_public_is_an_error_of_the_transport() -> None:
    async with web_server() as server, a_client(server) as client:
        with pytest.raises(httpx.TransportError, match="forbidden_address"):
            await client.get("http://169.254.169.254/latest")
        assert server.requests == []


async def test_too_large_a_body_is_an_error_of_the_transport() -> None:
    async with web_server() as server, a_client(server) as client:
        server.answers["/a"] = answer(body=b"x" * 1001)
        with pytest.raises(httpx.TransportError, match="response_too_large"):
            await client.get("/a")
    assert DOCUMENT_BYTES_MAX < 1024 * 1024


def test_the_library_never_logs_the_code_verifier() -> None:
    assert logging.getLogger("authlib").level == logging.INFO
    assert not logging.getLogger("authlib.integrations.base_client").isEnabledFor(logging.DEBUG)
