"""How calls over HTTP fail, the same by our own client and by litellm: one code per cause, what was
billed, and nothing repeated that should stay secret.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.models.usage import measured_tokens
from tests.infra.models.subjects import HTTP, KEY, PROMPT, Subject, only
from tests.openai_server import Answer, error


@only(*HTTP)
async def test_a_failed_call_is_made_once_for_retrying_is_decided_elsewhere(
    subject: Subject,
) -> None:
    given = subject.given(error(500))

    await given.fails()

    assert given.server is not None
    assert len(given.server.requests) == 1


@only(*HTTP)
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error(401, message=f"Incorrect API key provided: {KEY}"), "unauthorized"),
        (error(403), "unauthorized"),
        (error(404, code="model_not_found"), "unknown_model"),
        (error(400, code="context_length_exceeded"), "context_window"),
        (error(400, message="maximum context length is 8 tokens"), "context_window"),
        (error(400, code="content_filter", message=PROMPT), "content_filtered"),
        (error(422, message=PROMPT), "invalid"),
    ],
)
async def test_what_another_attempt_cannot_mend_is_not_retryable(
    subject: Subject, answer: Answer, code: str
) -> None:
    failure = await subject.given(answer).fails()

    assert (failure.code, failure.retryable) == (code, False)
    assert (failure.measured, failure.is_unresolved) == (None, False)


@only(*HTTP)
@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait_when_the_provider_does(
    subject: Subject, headers: Mapping[str, str], retry_after_s: float | None
) -> None:
    failure = await subject.given(error(429, headers=headers)).fails()

    assert (failure.code, failure.retry_after_s) == ("rate_limited", retry_after_s)


@only(*HTTP)
async def test_a_quota_that_is_used_up_is_not_worth_another_attempt(subject: Subject) -> None:
    failure = await subject.given(error(429, code="insufficient_quota")).fails()

    assert (failure.code, failure.retryable) == ("rate_limited", False)


@only(*HTTP)
@pytest.mark.parametrize("ends_quietly", [False, True])
async def test_a_cut_stream_is_no_answer_and_what_arrived_of_it_is_billed(
    subject: Subject, ends_quietly: bool
) -> None:
    tokens: list[str] = []
    given = subject.given(Answer(cut_after=2, ends_quietly=ends_quietly))

    failure = await given.fails(tokens=tokens)

    assert tokens == ["Hello", " there"]
    assert (failure.code, failure.retryable) == ("interrupted", True)
    assert failure.measured == replace(measured_tokens(12, 3), source="estimated")


@only(*HTTP)
async def test_a_stream_that_ends_with_an_error_is_no_answer(subject: Subject) -> None:
    given = subject.given(
        _events(
            b'{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}',
            b'{"error": {"message": "overloaded", "code": 500}}',
        )
    )

    failure = await given.fails(tokens=[])

    assert (failure.code, failure.retryable) == ("interrupted", True)


@only(*HTTP)
async def test_a_stream_that_falls_silent_ends_when_the_time_is_up_and_is_billed(
    subject: Subject,
) -> None:
    # The first call of a process builds litellm's types, which may take all of the short time.
    await subject.given(Answer()).streams()
    tokens: list[str] = []
    given = subject.given(Answer(hangs=True, cut_after=1), timeout_s=1)

    failure = await given.fails(tokens=tokens)

    assert tokens == ["Hello"]
    assert (failure.code, failure.measured and failure.measured.quantities) == (
        "timeout",
        {"input_tokens": 12, "output_tokens": 2},
    )


@only(*HTTP)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}),
        Answer(body=b"{'not': json}", headers={"Content-Type": "application/json"}),
        Answer(body=b"{}", headers={"Content-Type": "application/json"}),
        Answer(cut_after=0),
    ],
    ids=["html", "no json", "no choice", "cut"],
)
@pytest.mark.parametrize("is_streaming", [False, True])
async def test_an_answer_that_cannot_be_read_leaves_open_whether_it_was_billed(
    subject: Subject, answer: Answer, is_streaming: bool
) -> None:
    failure = await subject.given(answer).fails(tokens=[] if is_streaming else None)

    assert (failure.code, failure.retryable) == ("unavailable", True)
    assert (failure.measured, failure.is_unresolved) == (None, True)


@only(*HTTP)
async def test_a_provider_that_cannot_be_reached_is_unavailable_and_bills_nothing(
    subject: Subject,
) -> None:
    failure = await subject.given(Answer(), api_base="http://127.0.0.1:1/v1").fails()

    assert (failure.code, failure.retryable) == ("unavailable", True)
    assert (failure.measured, failure.is_unresolved) == (None, False)


@only(*HTTP)
@pytest.mark.parametrize(
    "answer",
    [
        error(401, message=f"Incorrect API key provided: {KEY}"),
        error(400, message=f"I will not answer: {PROMPT}", param=PROMPT, type=KEY),
        error(500, message=PROMPT, code=KEY),
        Answer(body=PROMPT.encode()),
    ],
    ids=["401", "400", "500", "garbage"],
)
async def test_a_failure_repeats_neither_the_key_nor_the_prompt(
    subject: Subject, answer: Answer
) -> None:
    failure = await subject.given(answer).fails()

    assert "walnut" not in str(failure)
    assert KEY not in str(failure)
    assert len(failure.message) <= 500
    assert failure.__cause__ is None


@only(*HTTP)
@pytest.mark.parametrize(
    "api_base",
    [
        "file:///etc/passwd",
        "http://user:password@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=1",
        "//127.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://a..b/v1",
        f"http://{'a' * 64}.example/v1",
        "http://127.0.0.1/\r\nHost: x",
        "",
    ],
)
async def test_an_address_that_is_not_plain_http_is_refused(
    subject: Subject, api_base: str
) -> None:
    failure = await subject.given(Answer(), api_base=api_base).fails()

    assert (failure.code, failure.retryable) == ("invalid", False)


@only(*HTTP)
@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({}, "messages[1].role"),
        ({"role": "owner", "content": "Hi"}, "messages[1].role"),
        ({"role": ["user"], "content": "Hi"}, "messages[1].role"),
        ({"role": "user", "content": 5}, "messages[1].content"),
        ({"role": "user", "content": ["Hi"]}, "messages[1].content"),
    ],
)
async def test_a_message_that_is_none_is_told_with_its_place(
    subject: Subject, message: dict[str, Any], place: str
) -> None:
    failure = await subject.given(Answer(), messages=[{"role": "user"}, message]).fails()

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert failure.message.startswith(place)


def _events(*events: bytes) -> Answer:
    body = b"".join(b"data: " + event + b"\n\n" for event in events)
    return Answer(body=body, headers={"Content-Type": "text/event-stream"})
