"""An http node in the hands of a worker."""

from typing import Any
from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE
from commands.credentials import CreateApiKey
from commands.http_port import HttpFailed, HttpRequest, HttpResponse
from commands.secrets import PutSecret, RemoveSecret
from domain.attempts import Attempt
from domain.identifiers import Json, JsonObject
from domain.secret_references import SecretReference
from infra.retry_after import RETRY_AFTER_S_MAX
from sagas.effects import AttemptFailed, Outcome, Run
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


SECRET = "s3cret-token"
ADA = UUID(int=77)
KEYED = (SecretReference("/headers/Authorization", "github", "Bearer "),)
HEADERS: JsonObject = {"Authorization": {"$secret": "github", "prefix": "Bearer "}}


async def with_secret(http: ToldHttp, world: World, created_by: str = "api_key:test") -> Outcome:
    attempt = Attempt(
        "book", "http", 1, {**ASKED, "headers": HEADERS}, 30.0, "key-1", secrets=KEYED
    )
    run = Run(world.tenant_id, world.tenant_id, created_by=created_by)
    outcome = await run_http(attempt, run, effects_of(world, HeldModels(), http))
    assert attempt.request["headers"] == HEADERS
    return outcome


async def test_a_secret_is_filled_in_where_the_definition_says_and_only_for_its_hosts() -> None:
    world, http = World(), ToldHttp([an_answer(204)])
    await world.given(PutSecret("github", SECRET, ["example.com"]))
    await with_secret(http, world)
    (sent,) = http.requests
    assert sent.headers["Authorization"] == f"Bearer {SECRET}"
    assert sent.allowed_hosts == (("https://example.com:443",),)
    assert SECRET not in repr(sent)


async def test_a_reference_that_came_with_the_input_is_sent_as_it_is() -> None:
    world, http = World(), ToldHttp([an_answer(204)])
    await world.given(PutSecret("github", SECRET, ["*"]))
    attempt = Attempt("book", "http", 1, {**ASKED, "json": {"$secret": "github"}}, 30.0, "key-1")
    run = Run(world.tenant_id, world.tenant_id)
    await run_http(attempt, run, effects_of(world, HeldModels(), http))
    assert http.requests[0].body == b'{"$secret":"github"}'
    assert world.vault.opened == []


async def test_the_newest_value_is_taken_at_every_use() -> None:
    world, http = World(), ToldHttp([an_answer(204)])
    for value in ("first-value", "second-value"):
        await world.given(PutSecret("github", value, ["*"]))
        await with_secret(http, world)
    sent = [request.headers["Authorization"] for request in http.requests]
    assert sent == ["Bearer first-value", "Bearer second-value"]


async def test_a_missing_secret_fails_the_node_and_sends_nothing() -> None:
    world, http = World(), ToldHttp([an_answer(204)])
    await world.given(PutSecret("github", SECRET), RemoveSecret("github"))
    world.vault.values.clear()
    with pytest.raises(AttemptFailed) as failure:
        await with_secret(http, world)
    assert (failure.value.code, failure.value.is_retryable) == ("secret_missing", False)
    assert http.requests == []


async def test_a_persons_own_secret_wins_in_their_runs_and_is_used_in_no_others() -> None:
    world, http = World(), ToldHttp([an_answer(204)])
    ada = world.caller_with(EVERY_SCOPE, user_id=ADA)
    await world.when(PutSecret("github", "of ada", ["*"], is_own=True), caller=ada)
    answer = await world.when(CreateApiKey("k", ["*"]), caller=ada)
    adas_key = f"api_key:{answer.result['api_key_id']}"
    with pytest.raises(AttemptFailed):
        await with_secret(http, world)
    await world.given(PutSecret("github", "of the tenant", ["*"]))
    for created_by in (adas_key, f"user:{ADA}", "api_key:test", f"user:{UUID(int=78)}", "worker:1"):
        await with_secret(http, world, created_by)
    sent = [request.headers["Authorization"].removeprefix("Bearer ") for request in http.requests]
    assert sent == ["of ada", "of ada", "of the tenant", "of the tenant", "of the tenant"]


async def test_what_a_server_repeats_of_a_secret_is_blotted_out() -> None:
    world = World()
    await world.given(PutSecret("github", SECRET, ["*"]))
    body = b'{"got": "Bearer s3cret-token", "s3cret-token": 1}'
    told = an_answer(200, body, content_type="application/json", x_auth=SECRET)
    outcome = await with_secret(ToldHttp([told]), world)
    assert SECRET not in str(outcome)
    assert isinstance(outcome.output, dict)
    assert outcome.output["json"] == {"got": "Bearer [secret github]", "[secret github]": 1}


async def test_no_beginning_of_a_secret_is_left_where_a_message_is_cut() -> None:
    world = World()
    await world.given(PutSecret("github", SECRET, ["*"]))
    body = b"x" * (MESSAGE_BODY_CHARACTERS_MAX - 6) + SECRET.encode()
    with pytest.raises(AttemptFailed) as failure:
        await with_secret(ToldHttp([an_answer(403, body)]), world)
    assert "s3cret" not in failure.value.message


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
