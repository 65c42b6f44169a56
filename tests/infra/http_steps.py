"""The guarded client as tests use it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any

import pytest

from commands.http_port import Http, HttpFailed, HttpRequest
from infra.http_client import GuardedHttp
from tests.web_server import ToldLookup, WebServer

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def a_client(
    *allowed: tuple[str, int],
    lookup: Mapping[str, Sequence[Sequence[str]]] | None = None,
    tls: SSLContext | None = None,
) -> AsyncIterator[tuple[GuardedHttp, ToldLookup]]:
    told = ToldLookup(lookup or {})
    client = GuardedHttp(allowed=frozenset(allowed), connections_max=4, lookup=told, tls=tls)
    try:
        yield client, told
    finally:
        await client.aclose()


def to(server: WebServer, path: str = "/", host: str = LOOPBACK, **fields: Any) -> HttpRequest:
    return a_request(f"http://{host}:{server.port}{path}", **fields)


def a_request(url: str, **fields: Any) -> HttpRequest:
    defaults: dict[str, Any] = {
        "method": "GET",
        "headers": {},
        "query": (),
        "body": None,
        "timeout_s": 30,
        "idempotency_key": "key-1",
        "response_bytes_max": 100_000,
    }
    return HttpRequest(url=url, **{**defaults, **fields})


async def failure_of(client: Http, request: HttpRequest) -> tuple[str, bool]:
    """(code, whether to try again). What is said never repeats a secret."""
    with pytest.raises(HttpFailed) as failure:
        await client.send(request)
    assert "s3cret" not in failure.value.message
    assert failure.value.__cause__ is None
    return failure.value.code, failure.value.retryable
