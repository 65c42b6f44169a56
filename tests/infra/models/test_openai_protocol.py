"""What our own client guards against, and the varieties of the protocol that it reads."""

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from infra.models import openai_protocol
from infra.models.guarded_posts import Guard
from infra.models.openai_protocol import OpenAiProtocolModels
from tests.openai_server import LOOPBACK, Answer, OpenAiServer, error, openai_server
from tests.prices import cost_of

JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with openai_server() as running:
        yield running


@pytest.fixture
async def models() -> AsyncIterator[OpenAiProtocolModels]:
    client = OpenAiProtocolModels({}, connections_max=4, guard=Guard(LOOPBACK))
    yield client
    await client.aclose()


def request(server: OpenAiServer, model: str = "openai/gpt-4o", **changes: Any) -> ModelRequest:
    plain = ModelRequest(
        model=model,
        messages=[{"role": "user", "content": "Hi"}],
        parameters={},
        attempt=1,
        timeout_s=20,
        idempotency_key="k",
        api_base=server.api_base,
        api_key="sk-test",
    )
    return replace(plain, **changes)


async def failure_of(
    models: OpenAiProtocolModels, request: ModelRequest, *, is_streaming: bool = False
) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        await models.complete(request, [].append if is_streaming else None)
    return caught.value


async def streamed(
    models: OpenAiProtocolModels, server: OpenAiServer, *events: dict[str, Any] | bytes
) -> ModelResponse:
    lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    body = b"".join(b"data: " + line + b"\n\n" for line in lines)
    server.answers(Answer(body=body, headers=EVENTS))
    return await models.complete(request(server), [].append)


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


async def test_a_known_model_is_priced(server: OpenAiServer, models: OpenAiProtocolModels) -> None:
    response = await models.complete(request(server))

    assert cost_of("openai/gpt-4o", response.measured) == 7 * 2_500_000 + 3 * 10_000_000


async def test_what_arrived_of_a_cut_stream_is_priced(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    server.answers(Answer(words=("one ", "two ", "three "), cut_after=2))

    failure = await failure_of(models, request(server), is_streaming=True)

    assert failure.measured is not None
    assert (failure.measured.tokens_in, failure.measured.tokens_out) == (1, 2)
    assert cost_of("openai/gpt-4o", failure.measured) == 1 * 2_500_000 + 2 * 10_000_000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(
    server: OpenAiServer, models: OpenAiProtocolModels, status: int
) -> None:
    location = {"Location": f"{server.api_base}/chat/completions"}
    server.answers(Answer(status=status, body=b"", headers=location), Answer())

    failure = await failure_of(models, request(server))

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert len(server.requests) == 1


async def test_a_proxy_in_the_environment_is_not_used(
    server: OpenAiServer, models: OpenAiProtocolModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await models.complete(request(server))).text == "Hello there!"


async def test_an_answer_of_any_size_is_not_read(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    body = b" " * (openai_protocol.BODY_BYTES_MAX + 1)
    server.answers(Answer(body=body, headers=JSON))

    failure = await failure_of(models, request(server))

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert failure.is_unresolved


async def test_a_line_of_a_stream_of_any_size_is_not_read(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    body = b"data: " + b" " * (openai_protocol.BODY_BYTES_MAX + 1)
    server.answers(Answer(body=body, headers=EVENTS))

    failure = await failure_of(models, request(server), is_streaming=True)

    assert (failure.code, failure.retryable) == ("invalid", False)


async def test_a_stream_that_never_ends_is_not_read_for_ever(
    server: OpenAiServer, models: OpenAiProtocolModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_protocol, "STREAM_BYTES_MAX", 10_000)
    server.answers(Answer(words=("again ",) * 5000))

    failure = await failure_of(models, request(server), is_streaming=True)

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert failure.measured is not None
    assert failure.measured.tokens_out > 0


async def test_a_compressed_answer_is_not_unpacked(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    whole = {"choices": [{"message": {"content": "small"}, "finish_reason": "stop"}]}
    body = gzip.compress(json.dumps(whole).encode())
    server.answers(Answer(body=body, headers=JSON | {"Content-Encoding": "gzip"}))

    failure = await failure_of(models, request(server))

    assert failure.code == "unavailable"
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_a_large_error_body_does_not_hide_the_status(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    server.answers(Answer(status=429, body=b"x" * 100_000, headers={"Retry-After": "3"}))

    failure = await failure_of(models, request(server))

    assert (failure.code, failure.retry_after_s) == ("rate_limited", 3.0)


async def test_a_failure_tells_the_parts_of_an_error_that_are_safe(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    server.answers(error(400, code="invalid_value", param="temperature", message="of Hi"))

    failure = await failure_of(models, request(server))

    assert failure.message == "openai answered 400 (code=invalid_value param=temperature)"


async def test_a_stream_is_asked_to_report_usage(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    await models.complete(request(server), [].append)

    assert server.requests[0].body["stream"] is True
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


async def test_no_key_is_sent_when_there_is_none(server: OpenAiServer) -> None:
    models = OpenAiProtocolModels(
        {"OPENAI_API_KEY": "sk-operator"}, connections_max=4, guard=Guard(LOOPBACK)
    )

    await models.complete(request(server, api_key=None))
    await models.aclose()

    assert "Authorization" not in server.requests[0].headers


async def test_a_server_that_does_not_stream_is_understood_all_the_same(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    whole = {"choices": [{"message": {"content": "All at once"}, "finish_reason": "stop"}]}
    server.answers(Answer(body=json.dumps(whole).encode(), headers=JSON))
    tokens: list[str] = []

    response = await models.complete(request(server), tokens.append)

    assert tokens == ["All at once"]
    assert response.measured.source == "estimated"


async def test_usage_may_come_with_the_last_words(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}

    response = await streamed(models, server, delta("stop", content="Hi") | usage, b"[DONE]")

    assert (response.measured.tokens_in, response.measured.tokens_out) == (5, 1)
    assert response.measured.source == "provider"


async def test_a_stream_may_end_without_its_marker_once_it_has_said_why_it_ends(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    response = await streamed(models, server, delta(content="Hi"), delta("length"))

    assert (response.text, response.finish_reason) == ("Hi", "length")


async def test_content_in_parts_is_read_without_the_thoughts(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]

    response = await streamed(models, server, delta("stop", content=parts), b"[DONE]")

    assert response.text == "Hi"


async def test_tool_calls_without_an_index_are_told_apart_by_their_ids(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    def call(name: str) -> dict[str, Any]:
        return {"id": f"call_{name}", "function": {"name": name, "arguments": "{}"}}

    response = await streamed(
        models,
        server,
        delta(tool_calls=[call("first")]),
        delta("tool_calls", tool_calls=[call("second")]),
        b"[DONE]",
    )

    assert [found["id"] for found in response.tool_calls] == ["call_first", "call_second"]


async def test_a_tool_call_cannot_claim_a_place_far_away(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    event = delta(tool_calls=[{"index": 10**9, "function": {"name": "x"}}])

    with pytest.raises(ModelFailed) as caught:
        await streamed(models, server, event, b"[DONE]")

    assert caught.value.code == "invalid"


async def test_a_broken_event_in_a_stream_ends_it(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    with pytest.raises(ModelFailed) as caught:
        await streamed(models, server, delta(content="Hi"), b"{nope")

    assert (caught.value.code, caught.value.retryable) == ("interrupted", True)


async def test_one_connection_serves_call_after_call(
    server: OpenAiServer, models: OpenAiProtocolModels
) -> None:
    for _ in range(3):
        await models.complete(request(server), [].append)

    assert len({received.client for received in server.requests}) == 1
