"""What every adapter of the port Models promises, run on each: without a provider, and over HTTP
against a server that speaks the OpenAI protocol, by our own client and by litellm.

How calls fail over HTTP is in test_failure_contract.py.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.models.subjects import HTTP, KEY, Subject, only
from tests.openai_server import Answer, error
from tests.prices import cost_of

TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Graz"}'},
}


async def test_an_answer_brings_its_text_its_end_and_the_usage_the_provider_reports(
    subject: Subject,
) -> None:
    response = await subject.given(Answer()).completes()

    assert (response.text, response.finish_reason) == ("Hello there!", "stop")
    assert response.measured.quantities == {"input_tokens": 7, "output_tokens": 3}
    assert response.measured.source == "provider"
    assert response.model == subject.request.model
    assert response.provider == subject.request.model.partition("/")[0]


async def test_a_stream_brings_the_text_in_pieces_and_the_same_answer_as_without(
    subject: Subject,
) -> None:
    given = subject.given(Answer(words=("One", " two,", " three")))

    tokens, response = await given.streams()

    assert tokens == ["One", " two,", " three"]
    assert response == await given.completes()


async def test_each_attempt_gets_its_own_answer_and_the_last_repeats(subject: Subject) -> None:
    given = subject.given(Answer(words=("first",)), Answer(words=("second",)))

    texts = [(await given.completes(attempt=attempt)).text for attempt in (1, 2, 3)]

    assert texts == ["first", "second", "second"]


async def test_tool_calls_come_in_openais_shape_streamed_or_not(subject: Subject) -> None:
    given = subject.given(
        Answer(words=(), tool_calls=(TOOL_CALL,), finish_reason="tool_calls"),
    )

    whole = await given.completes()
    _, streamed = await given.streams()

    assert whole.finish_reason == streamed.finish_reason == "tool_calls"
    assert [dict(call) for call in whole.tool_calls] == [TOOL_CALL]
    assert streamed.tool_calls == whole.tool_calls
    assert whole.text == ""


@pytest.mark.parametrize(
    ("answer", "code", "is_retryable"),
    [
        (error(429), "rate_limited", True),
        (error(503), "unavailable", True),
        (error(400), "invalid", False),
    ],
)
@pytest.mark.parametrize("is_streaming", [False, True])
async def test_a_failure_has_a_code_says_whether_to_retry_and_bills_nothing(
    subject: Subject, answer: Answer, code: str, is_retryable: bool, is_streaming: bool
) -> None:
    failure = await subject.given(answer).fails(tokens=[] if is_streaming else None)

    assert (failure.code, failure.retryable) == (code, is_retryable)
    assert (failure.measured, failure.is_unresolved) == (None, False)


@pytest.mark.parametrize("is_streaming", [False, True])
async def test_a_call_ends_when_its_time_is_up(subject: Subject, is_streaming: bool) -> None:
    given = subject.given(Answer(hangs=True), timeout_s=0.2)

    failure = await given.fails(tokens=[] if is_streaming else None)

    assert (failure.code, failure.retryable) == ("timeout", True)
    assert "0.2 s" in failure.message


async def test_a_cancelled_call_ends_at_once_and_is_no_failure(subject: Subject) -> None:
    given = subject.given(Answer(hangs=True))
    call = asyncio.create_task(given.completes())
    async with asyncio.timeout(60):
        while given.server is not None and not given.server.requests:
            await asyncio.sleep(0.01)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


@only(*HTTP)
async def test_the_request_carries_model_messages_parameters_and_the_idempotency_key(
    subject: Subject,
) -> None:
    given = subject.given(Answer(), parameters={"temperature": 0.5, "max_tokens": 9, "stop": None})
    await given.completes()

    assert given.server is not None
    (received,) = given.server.requests
    assert received.path == "/v1/chat/completions"
    assert received.body["model"] == "test-model"
    assert received.body["messages"] == list(subject.request.messages)
    assert (received.body["temperature"], received.body["max_tokens"]) == (0.5, 9)
    assert "stop" not in received.body
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert headers["idempotency-key"] == "run-7/draft/1"
    assert headers["authorization"] == f"Bearer {KEY}"


@only(*HTTP)
@pytest.mark.parametrize(
    "parameters",
    [
        {"api_base": "http://elsewhere.example"},
        {"extra_headers": {"Host": "elsewhere.example"}},
        {"mock_response": "free of charge"},
        {"n": 50},
        {"tools": [{"type": "mcp", "server_url": "http://elsewhere.example"}]},
        {"tools": [{"type": "function", "function": "weather"}]},
        {"temperature": "hot"},
        {"max_tokens": True},
    ],
)
async def test_parameters_that_could_do_more_than_shape_the_answer_are_refused_before_the_call(
    subject: Subject, parameters: Mapping[str, Any]
) -> None:
    given = subject.given(Answer(), parameters=parameters)

    failure = await given.fails()

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert next(iter(parameters)) in failure.message
    assert given.server is not None
    assert given.server.requests == []


@only(*HTTP)
async def test_usage_that_the_provider_does_not_report_is_estimated_and_says_so(
    subject: Subject,
) -> None:
    given = subject.given(Answer(usage=None))

    whole = await given.completes()
    _, streamed = await given.streams()

    assert whole == streamed
    assert whole.measured.source == "estimated"
    assert (whole.measured.tokens_in, whole.measured.tokens_out) == (
        12,
        3,
    )  # 45 and 12 bytes, 4 a token.


@only(*HTTP)
async def test_a_model_without_a_known_price_costs_none_and_not_zero(subject: Subject) -> None:
    response = await subject.given(Answer()).completes()

    assert cost_of(subject.request.model, response.measured) is None


@only(*HTTP)
async def test_cached_tokens_are_counted_as_part_of_the_input(subject: Subject) -> None:
    usage = {"prompt_tokens": 70, "completion_tokens": 3, "total_tokens": 73}
    details = {"prompt_tokens_details": {"cached_tokens": 64}}
    given = subject.given(Answer(usage=usage | details))

    whole = await given.completes()
    _, streamed = await given.streams()

    assert whole.measured.quantities["cached_input_tokens"] == 64
    assert whole.measured.tokens_in == 70
    assert streamed == whole
