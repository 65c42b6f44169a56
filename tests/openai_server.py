"""A server on a free loopback port that speaks the OpenAI protocol and answers by script: the
providers of our tests.

Request n gets answer n, the last repeats. The same answer is sent whole or as a stream, as the
request asks.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


class EveryPort(frozenset[tuple[str, int]]):
    """Lets through whatever is on loopback, for clients whose server has not begun yet."""

    def __contains__(self, origin: object) -> bool:
        return isinstance(origin, tuple) and origin[0] == "127.0.0.1"


LOOPBACK = EveryPort()
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """words: each is one chunk of a stream. usage None: not reported. cut_after: drop the
    connection after so many chunks; with ends_quietly as if the stream were complete, but without
    its end. body: these bytes, whatever was asked. hangs: no answer until the client leaves; after
    cut_after chunks when that is given. vector: of an embedding, instead of words.
    """

    words: Sequence[str] = ("Hello", " there", "!")
    vector: Sequence[Any] = (0.6, 0.8)
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    finish_reason: str | None = "stop"
    tool_calls: Sequence[Mapping[str, Any]] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    ends_quietly: bool = False
    hangs: bool = False


def error(status: int, *, headers: Mapping[str, str] | None = None, **fields: Any) -> Answer:
    """An error answer in OpenAI's shape; `fields` are those of the error object."""
    body = json.dumps(
        {"error": {"message": "", "type": None, "param": None, "code": None} | fields}
    )
    return Answer(
        status=status,
        body=body.encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


@dataclass(frozen=True, slots=True)
class Received:
    """client: address and port of the connection."""

    path: str
    client: tuple[str, int]
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(slots=True)
class OpenAiServer:
    """api_base: what a client is pointed to. requests: what arrived, oldest first."""

    api_base: str = ""
    requests: list[Received] = field(default_factory=list)
    script: list[Answer] = field(default_factory=lambda: [Answer()])
    is_closing: asyncio.Event = field(default_factory=asyncio.Event)

    def answers(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append(_received(request, body))
        answer = self.script[min(len(self.requests), len(self.script)) - 1]
        if answer.hangs and answer.cut_after is None:
            await self.is_closing.wait()
        if answer.body is not None:
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if request.path.endswith("/embeddings"):
            return web.json_response(_embedded(answer), status=answer.status)
        if body.get("stream"):
            return await self._streamed(request, answer)
        if answer.cut_after is not None:
            return await self._cut(request, answer)
        return web.json_response(_whole(answer), status=answer.status, headers=answer.headers)

    async def _streamed(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunks = _chunks(
            answer, is_usage_asked="stream_options" in json.loads(await request.read())
        )
        for number, chunk in enumerate(chunks):
            if number == answer.cut_after:
                return await self._end_early(request, response, answer)
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _end_early(
        self, request: web.Request, response: web.StreamResponse, answer: Answer
    ) -> web.StreamResponse:
        if answer.hangs:
            await self.is_closing.wait()
        elif not answer.ends_quietly:
            assert request.transport is not None
            request.transport.close()
        return response

    async def _cut(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        whole = json.dumps(_whole(answer)).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(whole)
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def openai_server(port: int = 0) -> AsyncIterator[OpenAiServer]:
    server = OpenAiServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    app.router.add_post("/v1/embeddings", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.api_base = f"http://{host}:{port}/v1"
        yield server
    finally:
        server.is_closing.set()
        await runner.cleanup()


def _received(request: web.Request, body: Mapping[str, Any]) -> Received:
    assert request.transport is not None
    client = request.transport.get_extra_info("peername")
    return Received(request.path, client, dict(request.headers), body)


def _whole(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.words) or None}
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "test-model",
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
    }
    if answer.usage is not None:
        body["usage"] = dict(answer.usage)
    return body


def _embedded(answer: Answer) -> dict[str, Any]:
    data = {"object": "embedding", "index": 0, "embedding": list(answer.vector)}
    body: dict[str, Any] = {"object": "list", "data": [data], "model": "test-model"}
    if answer.usage is not None:
        body["usage"] = dict(answer.usage)
    return body


def _chunks(answer: Answer, *, is_usage_asked: bool) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": word} for word in answer.words]
    for index, call in enumerate(answer.tool_calls):
        deltas.extend({"tool_calls": [part]} for part in _call_parts(index, call))
    chunks = [_chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if answer.finish_reason is not None:
        end = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason}
        chunks.append(_chunk([end]))
    if answer.usage is not None and is_usage_asked:
        chunks.append(_chunk([]) | {"usage": dict(answer.usage)})
    return chunks


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "test-model",
        "choices": choices,
    }


def _call_parts(index: int, call: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A call as servers stream it: its name first, then its arguments in pieces."""
    arguments = call["function"]["arguments"]
    half = len(arguments) // 2
    head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
    pieces = [
        {"index": index, "function": {"arguments": part}}
        for part in (arguments[:half], arguments[half:])
    ]
    return [head, *pieces]
