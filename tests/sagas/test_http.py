"""An http node in the hands of a worker."""

from typing import Any

import pytest

from commands.http_port import HttpFailed, HttpRequest, HttpResponse
from domain.attempts import Attempt
from domain.identifiers import Json, JsonObject
from infra.retry_after import RETRY_AFTER_S_MAX
from sagas.effects import AttemptFailed, Run
from sagas.nodes.http import MESSAGE_BODY_CHARACTERS_MAX, run_http
from tests.commands.fakes import World
from tests.sagas.steps import (
    HeldModels,
    ToldHttp,
    Worker,
    an_execution,
    effects_of,
    read,
    until,
)

ASKED: JsonObject = {
    "method": "POST",
    "url": "https://example.com/book",
    "expect_status": ["2xx"],
    "response_bytes_max": 1000,
}


def an_answer(status: int = 200, body: bytes = b"", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, body, "https://example.com/book")


async def outcome_of(http: ToldHttp, **asked: Json) -> Any:
    world = World()
    attempt = Attempt("book", "http", 1, {**ASKED, **asked}, 30.0, "key-1")
    run = Run(world.tenant_id, world.tenant_id)
    return await run_http(attempt, run, effects_of(world, HeldModels(), http))


async def output_of(answer: HttpResponse, **asked: Json) -> Any:
    return (await outcome_of(ToldHttp([answer]), **asked)).output


async def failure_of(answer: HttpResponse | HttpFailed, **asked: Json) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failure:
        await outcome_of(ToldHttp([answer]), **asked)
    return failure.value


async def test_what_was_recorded_is_sent() -> None:
    http = ToldHttp([an_answer(204)])
    query: Json = {"q": "a", "list": ["1", "2"]}
    await outcome_of(http, headers={"X-A": "b"}, query=query, json={"n": 1.5})
    assert http.requests == [
        HttpRequest(
            method="POST",
            url="https://example.com/book",
            headers={"X-A": "b", "Content-Type": "application/json"},
            query=(("q", "a"), ("list", "1"), ("list", "2")),
            body=b'{"n":1.5}',
            timeout_s=30.0,
            idempotency_key="key-1",
            response_bytes_max=1000,
        )
    ]


@pytest.mark.parametrize(
    ("asked", "body", "media_type"),
    [
        ({}, None, None),
        ({"json": None}, b"null", "application/json"),
        ({"body": "ü"}, "ü".encode(), "text/plain; charset=utf-8"),
        ({"body": "<a/>", "headers": {"content-type": "text/xml"}}, b"<a/>", "text/xml"),
    ],
)
async def test_a_body_says_what_it_is(
    asked: JsonObject, body: bytes | None, media_type: str | None
) -> None:
    http = ToldHttp([an_answer()])
    await outcome_of(http, **asked)
    headers = {name.lower(): value for name, value in http.requests[0].headers.items()}
    assert (http.requests[0].body, headers.get("content-type")) == (body, media_type)


@pytest.mark.parametrize(
    ("body", "media_type", "output"),
    [
        (b'{"id": 7}', "application/json", {"json": {"id": 7}}),
        (b"[1]", "application/problem+json; charset=utf-8", {"json": [1]}),
        (b"{", "application/json", {"text": "{"}),
        (b"", "application/json", {"text": ""}),
        (b'"\\u0000"', "application/json", {"text": '"\\u0000"'}),
        (b'{"id": 7}', "text/plain", {"text": '{"id": 7}'}),
        ("ü".encode(), "text/plain", {"text": "ü"}),
        ("ü".encode("latin-1"), "text/plain; charset=ISO-8859-1", {"text": "ü"}),
        ("ü".encode("latin-1"), 'text/plain; a=b; charset="latin1"', {"text": "ü"}),
        (b"\xff\x00", "application/octet-stream", {"text": "\ufffd\ufffd"}),
        (b"abc", "text/plain; charset=idna", {"text": "abc"}),
        (b"abc", "text/plain; charset=cp99999", {"text": "abc"}),
    ],
)
async def test_json_is_read_and_the_rest_is_text(
    body: bytes, media_type: str, output: JsonObject
) -> None:
    answer = an_answer(201, body, content_type=media_type)
    assert await output_of(answer) == {
        "status": 201,
        "headers": {"content-type": media_type},
        **output,
    }


@pytest.mark.parametrize(
    ("status", "expected", "is_success"),
    [
        (204, ["2xx"], True),
        (302, ["2xx"], False),
        (404, [200, 404], True),
        (404, [200, "5xx"], False),
        (503, [200, "5xx"], True),
    ],
)
async def test_success_is_what_was_expected(
    status: int, expected: list[Json], is_success: bool
) -> None:
    if is_success:
        assert (await output_of(an_answer(status), expect_status=expected))["status"] == status
    else:
        failure = await failure_of(an_answer(status), expect_status=expected)
        assert failure.code == "http_status"


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [(s, True) for s in (408, 425, 429, 500, 502, 503, 504)]
    + [(s, False) for s in (302, 400, 401, 403, 404, 409, 410, 422, 501)],
)
async def test_some_statuses_are_worth_another_attempt(status: int, is_retryable: bool) -> None:
    assert (await failure_of(an_answer(status))).is_retryable == is_retryable


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, "7", 7.0),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_S_MAX),
        (503, "soon", None),
        (404, "7", None),
    ],
)
async def test_the_server_says_when_to_ask_again(
    status: int, retry_after: str, seconds: float | None
) -> None:
    failure = await failure_of(an_answer(status, retry_after=retry_after))
    assert failure.retry_after_s == seconds


async def test_a_failure_quotes_the_beginning_of_the_answer_in_one_line() -> None:
    failure = await failure_of(an_answer(422, b"bad\r\n\x00 \x1b[31m seat"))
    assert failure.message == "the server answered 422: bad \N{REPLACEMENT CHARACTER} [31m seat"
    long = await failure_of(an_answer(422, b"x" * 1000))
    assert long.message == f"the server answered 422: {'x' * MESSAGE_BODY_CHARACTERS_MAX}"
    assert (await failure_of(an_answer(404))).message == "the server answered 404"


async def test_what_the_client_could_not_do_is_told_as_it_was() -> None:
    told = HttpFailed("unavailable", "no connection", retryable=True, retry_after_s=3)
    failure = await failure_of(told)
    assert (failure.code, failure.message) == ("unavailable", "no connection")
    assert (failure.is_retryable, failure.retry_after_s) == (True, 3)
    refused = await failure_of(HttpFailed("forbidden_address", "no", retryable=False))
    assert not refused.is_retryable


async def test_progress_of_an_answer_is_a_sign_of_life() -> None:
    world, beats = World(), list[str]()
    run = Run(world.tenant_id, world.tenant_id, beat=lambda: beats.append("alive"))
    effects = effects_of(world, HeldModels(), ToldHttp([an_answer()]))
    attempt = Attempt("book", "http", 1, ASKED, 30.0, "key-1", heartbeat_s=5.0)
    await run_http(attempt, run, effects)
    assert beats == ["alive"]


async def test_a_node_tries_again_under_the_same_key_when_no_answer_came() -> None:
    world = World()
    worker = Worker(world)
    worker.http.answers = [
        HttpFailed("unavailable", "no connection", retryable=True),
        an_answer(200, b'{"id": 7}', content_type="application/json"),
    ]
    await worker.own_everything()
    execution_id = await an_execution(world, BOOKING)
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    execution = await read(world, execution_id)
    assert (execution.status, execution.output) == ("COMPLETED", {"id": 7})
    first, second = worker.http.requests
    assert (first.body, first.timeout_s) == (b'{"q":"why?"}', 60.0)
    assert first.idempotency_key == second.idempotency_key == f"{execution_id}:book:1"


BOOKING: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "book",
            "type": "http",
            "config": {
                "method": "POST",
                "url": "https://example.com/book",
                "json": {"q": "{{ input.q }}"},
            },
            "retry": {"max_attempts": 2, "initial_backoff_s": 0},
        },
        {"id": "end", "type": "end", "config": {"output": "{{ nodes.book.output.json }}"}},
    ],
    "edges": [{"from": "start", "to": "book"}, {"from": "book", "to": "end"}],
}
