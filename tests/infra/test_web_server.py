"""The web server of the API, over a socket, and attacks on how it reads requests."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cli import guarded_protocol
from cli.web_server import run_http

WAIT_S = 60


class Served:
    """Tells who called, and what reached it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.address = ("", 0)

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        self.requests.append((f"{scope['method']} {scope['path']}", body))
        told = {"client": scope["client"][0], "scheme": scope["scheme"]}
        await Response(orjson.dumps(told))(scope, receive, send)

    async def sent(self, *pieces: bytes) -> bytes:
        """All that is answered until the server ends the connection."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(WAIT_S):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    served, app = Served(), FastAPI(openapi_url=None)
    app.mount("/", served.tell)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served.address = listening.getsockname()
        task = asyncio.create_task(run_http(app, listening))
        try:
            yield served
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def request(*headers: str, method: str = "POST", path: str = "/") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def test_the_web_server_itself_believes_no_forwarded_header(served: Served) -> None:
    forged = ("X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https")
    answer = await served.sent(request(*forged, "Connection: close", method="GET"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert orjson.loads(body) == {"client": "127.0.0.1", "scheme": "http"}
    assert b"server:" not in head.lower()


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 4", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + SMUGGLED),
        (("Transfer-Encoding: chunked", "Content-Length: 4"), b"0\r\n\r\n" + SMUGGLED),
        (("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"), SMUGGLED),
        (("Content-Length: 0, 5",), SMUGGLED),
        (("Content-Length: +5",), SMUGGLED),
        (("Content-Length: -1",), SMUGGLED),
        (("Content-Length: 0x10",), SMUGGLED),
        (("Content-Length : 0",), SMUGGLED),
        (("Transfer-Encoding: xchunked",), b"0\r\n\r\n" + SMUGGLED),
        (("Transfer-Encoding: chunked, identity",), b"0\r\n\r\n" + SMUGGLED),
        (("Transfer-Encoding: chunked",), b"zz\r\n" + SMUGGLED),
        (("Transfer-Encoding: chunked",), b"-1\r\n" + SMUGGLED),
        (("Transfer-Encoding: chunked",), b"fffffffffffffffff\r\n" + SMUGGLED),
        (("X: a\nTransfer-Encoding: chunked",), b"0\r\n\r\n" + SMUGGLED),
        (("X: a\0b",), SMUGGLED),
        ((" folded: header",), SMUGGLED),
    ],
    ids=repr,
)
async def test_request_smuggling_ends_the_connection(
    served: Served, headers: tuple[str, ...], body: bytes
) -> None:
    """What two servers would cut into different requests is none."""
    answer = await served.sent(request(*headers) + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "GET /smuggled" not in [line for line, _ in served.requests]


async def test_slowloris_a_head_that_does_not_end_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_protocol, "HEAD_TIMEOUT_S", 0.05)
    assert await served.sent() == b""
    assert await served.sent(b"POST / HTTP/1.1\r\nHost: a\r\n", b"X: 1\r\n") == b""
    assert served.requests == []


async def test_slowloris_a_second_request_of_a_connection_is_not_waited_for_either(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_protocol, "HEAD_TIMEOUT_S", 0.05)
    answer = await served.sent(request(method="GET"), b"GET /second HT")
    assert answer.count(b"HTTP/1.1 200") == 1


async def test_a_body_that_does_not_come_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_protocol, "BODY_TIMEOUT_S", 0.05)
    assert await served.sent(request("Content-Length: 10"), b"123") == b""
    assert b"200" not in await served.sent(request("Transfer-Encoding: chunked"), b"1\r\na\r\n")


async def test_a_head_without_an_end_is_cut_off(served: Served) -> None:
    line = b"X: " + b"a" * 10_000 + b"\r\n"
    with_many_lines = await served.sent(b"GET / HTTP/1.1\r\n", *[line] * 8)
    with_one_line = await served.sent(b"GET / HTTP/1.1\r\nX: ", *[b"a" * 10_000] * 8)
    with_a_long_path = await served.sent(b"GET /", *[b"a" * 10_000] * 8)
    assert with_many_lines + with_one_line + with_a_long_path == b""
    assert served.requests == []


async def test_requests_that_come_in_pieces_are_read_whole(served: Served) -> None:
    pieces = [request("Content-Length: 6", "Connection: close"), b"abc", b"def"]
    answer = await served.sent(*pieces)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert served.requests == [("POST /", b"abcdef")]


async def test_a_connection_is_used_for_many_requests(served: Served) -> None:
    last = request("Connection: close", method="GET", path="/last")
    answer = await served.sent(request(method="GET"), request("Content-Length: 2"), b"ab", last)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert served.requests == [("GET /", b""), ("POST /", b"ab"), ("GET /last", b"")]
