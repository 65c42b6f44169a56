"""The guarded client against servers that send too much, too slowly, or no HTTP at all."""

import gzip
import socket
import zlib

import pytest

from tests.infra.http_steps import LOOPBACK, a_client, failure_of, to
from tests.web_server import Answer, answer, head, web_server

ENDLESS = Answer(
    head(200, {"Transfer-Encoding": "chunked"}), "fill", b"3e8\r\n" + b"x" * 1000 + b"\r\n"
)
MEGABYTES = gzip.compress(bytes(50_000_000), mtime=0)


@pytest.mark.parametrize(
    ("told", "bytes_max", "code"),
    [
        (answer(body=b"x" * 1000), 1000, None),
        (answer(body=b"x" * 1001), 1000, "response_too_large"),
        # Said beforehand, so that not one byte of it is waited for.
        (Answer(head(200, {"Content-Length": "9999999"}), "hang"), 1000, "response_too_large"),
        (ENDLESS, 100_000, "response_too_large"),
        (answer(body=gzip.compress(b"x" * 1000, mtime=0), Content_Encoding="gzip"), 1000, None),
        (
            answer(body=gzip.compress(b"x" * 1001, mtime=0), Content_Encoding="GZIP"),
            1000,
            "response_too_large",
        ),
        (answer(body=MEGABYTES, Content_Encoding="x-gzip"), 100_000, "response_too_large"),
        (
            answer(body=gzip.compress(b"x" * 600, mtime=0) * 2, Content_Encoding="gzip"),
            1000,
            "response_too_large",
        ),
    ],
)
async def test_a_body_is_read_up_to_its_limit_and_no_further(
    told: Answer, bytes_max: int, code: str | None
) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = told
        asked = to(server, response_bytes_max=bytes_max)
        if code is None:
            assert (await client.send(asked)).body == b"x" * 1000
        else:
            assert await failure_of(client, asked) == (code, False)


async def test_each_head_and_each_piece_of_an_answer_is_progress() -> None:
    progress = iter([None, b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n"])
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer(302, Location="/long")
        server.answers["/long"] = Answer(head(200, {"Transfer-Encoding": "chunked"}), "told")

        def send_the_next_piece() -> None:
            if piece := next(progress):
                server.pieces.put_nowait(piece)

        assert (await client.send(to(server), send_the_next_piece)).body == b"abcd"
        server.pieces.put_nowait(b"")


async def test_compressed_pieces_are_put_together() -> None:
    text = b"".join(f"{number},".encode() for number in range(10_000))
    members = gzip.compress(text[:20_000], mtime=0) + gzip.compress(text[20_000:], mtime=0)
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        chunks = [members[start : start + 700] for start in range(0, len(members), 700)]
        raw = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
        headers = {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}
        server.answers["/"] = Answer(head(200, headers) + raw + b"0\r\n\r\n")
        assert (await client.send(to(server))).body == text
    assert server.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"no gzip", "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "gzip"),
        (gzip.compress(b"", mtime=0) * 100, "gzip"),
        (zlib.compress(b"x"), "deflate"),
        (b"x", "br"),
        (b"x", "gzip, gzip"),
    ],
)
async def test_a_body_that_cannot_be_decoded_is_no_response(body: bytes, encoding: str) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer(body=body, Content_Encoding=encoding)
        assert await failure_of(client, to(server)) == ("invalid_response", False)


async def test_the_answer_to_head_has_no_body_to_limit() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        headers = {"Content-Length": "99999999", "Content-Encoding": "gzip"}
        server.answers["/"] = Answer(head(200, headers))
        response = await client.send(to(server, method="HEAD"))
    assert (response.body, response.headers["content-length"]) == (b"", "99999999")


@pytest.mark.parametrize(
    "told",
    [
        Answer(b"", "hang"),
        Answer(b"HTTP/1.1 200 OK\r\nContent-", "hang"),
        Answer(head(200, {"Content-Length": "10"}) + b"half ", "hang"),
        Answer(b"", "fill", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_an_answer_that_takes_too_long_may_be_asked_for_again(told: Answer) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = told
        assert await failure_of(client, to(server, timeout_s=0.2)) == ("timeout", True)


@pytest.mark.parametrize(
    "told",
    [
        Answer(b"", "close"),
        Answer(head(200, {"Content-Length": "10"}) + b"half ", "close"),
        Answer(head(200, {"Transfer-Encoding": "chunked"}) + b"5\r\nhalf ", "close"),
    ],
)
async def test_a_connection_that_breaks_off_may_be_made_again(told: Answer) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = told
        asked = to(server, method="POST", body=b"once")
        assert await failure_of(client, asked) == ("unavailable", True)
    assert len(server.requests) == 1


async def test_where_nobody_listens_somebody_may_later() -> None:
    with socket.socket() as unused:
        unused.bind((LOOPBACK, 0))
        port = unused.getsockname()[1]
        async with web_server() as server, a_client((LOOPBACK, port)) as (client, _):
            server.port = port
            assert await failure_of(client, to(server)) == ("unavailable", True)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        head(200, {"X-A": "b" * 20_000}),
        head(200, {f"X-{number}": "b" for number in range(200)}),
        head(200, {"X-A": "b" * 1_000_000}),
    ],
)
async def test_what_is_not_http_or_has_headers_without_end_is_no_response(raw: bytes) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = Answer(raw, "close")
        assert await failure_of(client, to(server)) == ("invalid_response", False)
