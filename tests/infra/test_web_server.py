"""The web server of the API, over a socket."""

import asyncio
import socket

import orjson
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cli.web_server import run_http


async def _told(peer_headers: str) -> bytes:
    app = FastAPI(openapi_url=None)

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        told = {"client": scope["client"][0], "scheme": scope["scheme"]}
        await Response(orjson.dumps(told))(scope, receive, send)

    app.mount("/", tell)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(run_http(app, listening))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        request = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{peer_headers}\r\n"
        writer.write(request.encode())
        answer = await reader.read()
        writer.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return answer


async def test_the_web_server_itself_believes_no_forwarded_header() -> None:
    answer = await _told("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert orjson.loads(body) == {"client": "127.0.0.1", "scheme": "http"}
    assert b"server:" not in head.lower()
