"""The read API behind a real web server, for what needs a connection that stays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import uvicorn
import websockets
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from tests.read_api.api import KEY

WAIT_S = 60


class _Server(uvicorn.Server):
    """Signals belong to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """host:port of the app, as the role api serves it."""
    config = uvicorn.Config(
        app,
        port=0,
        loop="none",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Socket:
    """Speaks graphql-transport-ws."""

    connection: ClientConnection

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(orjson.dumps({"type": kind, **fields}).decode())

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            return orjson.loads(await self.connection.recv())

    async def begin(self, payload: object = {"Authorization": KEY}) -> None:  # only read
        await self.send("connection_init", payload=payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, *, as_: str = "1", **variables: Any) -> None:
        await self.send("subscribe", id=as_, payload={"query": query, "variables": variables})

    async def following(self, count: int | None = None) -> list[dict[str, Any]]:
        """The data of that many answers, or of all until the operation completes."""
        seen: list[dict[str, Any]] = []
        while count is None or len(seen) < count:
            message = await self.receive()
            if message["type"] == "complete":
                assert count is None, seen
                break
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            seen.append(message["payload"]["data"])
        return seen

    async def close_code(self) -> int:
        """Of the connection, which the server ends."""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def connected(
    address: str, *, protocol: str = "graphql-transport-ws", headers: dict[str, str] | None = None
) -> AsyncIterator[Socket]:
    async with websockets.connect(
        f"ws://{address}/graphql", subprotocols=[Subprotocol(protocol)], additional_headers=headers
    ) as connection:
        yield Socket(connection)


@dataclass
class Frame:
    """A server-sent event."""

    id: int
    event: str
    data: Any


async def frames(response: httpx.Response) -> AsyncIterator[Frame | str]:
    """Events, and comments as text."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Frame(int(fields["id"]), fields["event"], orjson.loads(fields["data"]))
            fields = {}
