"""Servers on loopback that answer byte by byte as a test wants it, and a resolver that says what
the test says.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Literal

from infra.http_addresses import Address


@dataclass(frozen=True, slots=True)
class Answer:
    """raw: all the bytes of it. then: keep the connection, close it, keep silent until the client
    leaves, send `filling` until it leaves, or send what the test puts into `pieces` up to an empty
    one.
    """

    raw: bytes
    then: Literal["keep", "close", "hang", "fill", "told"] = "keep"
    filling: bytes = b""


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """headers: with `_` for `-`."""
    lines = {"Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(head(status, lines) + body)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """headers: names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class WebServer:
    """answers: by the path of the target. connections_count: also those that sent nothing."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    connections_count: int = 0
    pieces: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue[bytes])

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_count += 1
        try:
            while received := await _received(reader):
                self.requests.append(received)
                told = self.answers[received.target.partition("?")[0]]
                writer.write(told.raw)
                await writer.drain()
                while told.then == "fill":
                    writer.write(told.filling)
                    await writer.drain()
                while told.then == "told" and (piece := await self.pieces.get()):
                    writer.write(piece)
                    await writer.drain()
                if told.then == "hang":
                    await reader.read()
                if told.then != "keep":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


async def _received(reader: asyncio.StreamReader) -> Received | None:
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = lines[0].split(" ")
    pairs = [line.split(": ", 1) for line in lines[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


@asynccontextmanager
async def web_server(
    *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebServer]:
    served = WebServer()
    server = await asyncio.start_server(served.handle, host, port, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


@dataclass
class ToldLookup:
    """Answers in turn, the last repeats. asked: every host, in order."""

    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def addresses(self, host: str, port: int) -> list[Address]:
        del port
        told = self.answers.get(host, [[]])
        place = min(self.asked.count(host), len(told) - 1)
        self.asked.append(host)
        return [ip_address(text) for text in told[place]]
