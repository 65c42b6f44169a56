"""http asks for a request to a server, as the worker will find it recorded."""

from typing import Any

import pytest

from domain.definitions import InvalidDefinition
from domain.http_headers import HEADERS_MAX
from domain.identifiers import Json
from domain.nodes.http import METHOD_REASON, RESPONSE_BYTES_DEFAULT, URL_REASON, Http
from tests.domain.given import Run, a_definition, a_run, advance, given

URL = "https://example.com/"
INPUT: Json = {
    "id": 7,
    "q": "a b",
    "method": "DELETE",
    "headers": {"X-Id": 7},
    "bad": {"Host": "x"},
    "many": {f"X-{number}": "" for number in range(HEADERS_MAX + 1)},
    "list": [1, "a", True, None],
    "nested": [[1]],
    "nothing": None,
    "line": "a\nb",
}


def asking(**config: Json) -> Run:
    node: Any = {"id": "call", "type": "http", "config": {"url": URL, **config}}
    return given(a_run([node], ["start -> call", "call -> end"], INPUT), advance())


def asked(**config: Json) -> Any:
    return asking(**config).answer[0].request


def mistakes_of(**config: Json) -> list[tuple[str, str]]:
    node: Any = {"id": "call", "type": "http", "config": {"url": URL, **config}}
    with pytest.raises(InvalidDefinition) as refusal:
        a_definition([node], ["start -> call", "call -> end"])
    return [
        (error.path.removeprefix("/nodes/2/config"), error.message)
        for error in refusal.value.errors
    ]


def test_a_url_is_enough() -> None:
    assert asked() == {
        "method": "GET",
        "url": URL,
        "expect_status": ["2xx"],
        "response_bytes_max": RESPONSE_BYTES_DEFAULT,
    }


def test_everything_is_rendered() -> None:
    request = asked(
        method="{{ input.method }}",
        url="https://example.com/{{ input.id }}",
        headers={"X-Q": "{{ input.q }}", "X-Id": "{{ input.id }}", "X-Yes": True},
        query={"q": "{{ input.q }}", "list": "{{ input.list }}", "no": "{{ input.nothing }}"},
        json={"id": "{{ input.id }}", "deep": [{"q": "<{{ input.q }}>"}]},
        expect_status=[200, "4xx"],
        response_bytes_max=10,
    )
    assert request == {
        "method": "DELETE",
        "url": "https://example.com/7",
        "headers": {"X-Q": "a b", "X-Id": "7", "X-Yes": "true"},
        "query": {"q": "a b", "list": ["1", "a", "true"]},
        "json": {"id": 7, "deep": [{"q": "<a b>"}]},
        "expect_status": [200, "4xx"],
        "response_bytes_max": 10,
    }


def test_a_body_is_text_and_json_keeps_its_type() -> None:
    assert asked(method="POST", body="id={{ input.id }}")["body"] == "id=7"
    assert asked(method="POST", body="{{ input.list }}")["body"] == '[1,"a",true,null]'
    assert asked(method="POST", json="{{ input.nothing }}")["json"] is None


def test_headers_may_come_from_one_expression() -> None:
    assert asked(headers="{{ input.headers }}")["headers"] == {"X-Id": "7"}


@pytest.mark.parametrize(
    ("config", "place", "reason"),
    [
        ({"method": "get"}, "/method", METHOD_REASON),
        ({"method": "TRACE"}, "/method", METHOD_REASON),
        ({"method": 5}, "/method", "Input should be a string"),
        ({"url": ""}, "/url", URL_REASON),
        ({"url": "example.com"}, "/url", URL_REASON),
        ({"url": "file:///etc/passwd"}, "/url", URL_REASON),
        ({"url": "https:///x"}, "/url", URL_REASON),
        ({"headers": {"Host": "x"}}, "/headers/Host", "this header belongs to the connection"),
        ({"headers": {"Content-Length": 5}}, "/headers/Content-Length", "cannot be set"),
        ({"headers": {"a b": "x"}}, "/headers/a b", "this is no name of a header"),
        ({"headers": {"X-A": "x\ny"}}, "/headers/X-A", "there is a control character in it"),
        ({"headers": {"X-A": None}}, "/headers/X-A", "must be text, a number or a boolean"),
        ({"headers": {"X-A": {}}}, "/headers/X-A", "must be text, a number or a boolean"),
        ({"headers": {"X-A": "", "x-a": ""}}, "/headers/x-a", "one of this name already"),
        ({"headers": []}, "/headers", "Input should be an object"),
        ({"headers": {"X-A": "{{ 1 + }}"}}, "/headers/X-A", "unexpected end"),
        ({"query": "q"}, "/query", "Input should be an object"),
        ({"json": {"a": "{{ 1 + }}"}}, "/json/a", "unexpected end"),
        ({"json": 1, "body": "x"}, "", "may have json or body, not both"),
        ({"json_body": 1}, "/json_body", "there is no such field"),
        ({"expect_status": 99}, "/expect_status", "must be a status like 201"),
        ({"expect_status": "2XX"}, "/expect_status", "must be a status like 201"),
        ({"expect_status": []}, "/expect_status", "must be a status like 201"),
        ({"expect_status": [200, True]}, "/expect_status", "must be a status like 201"),
        ({"expect_status": None}, "/expect_status", "must be a status like 201"),
        ({"response_bytes_max": 0}, "/response_bytes_max", "greater than or equal to 1"),
        ({"response_bytes_max": 2**20 + 1}, "/response_bytes_max", "less than or equal to 1048576"),
    ],
)
def test_a_mistake_is_told_with_its_place(config: dict[str, Json], place: str, reason: str) -> None:
    ((path, message),) = mistakes_of(**config)
    assert path == place
    assert reason in message


def test_every_header_that_cannot_be_sent_is_told() -> None:
    places = [
        path for path, _ in mistakes_of(headers={"Host": "x", "X-A": "", "Te": "", "X-B": None})
    ]
    assert places == ["/headers/Host", "/headers/Te", "/headers/X-B"]


def test_an_expression_may_have_lines_in_a_header() -> None:
    assert asked(headers={"X-Id": "{{ input.id\n + 1 }}"})["headers"] == {"X-Id": "8"}


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"method": "{{ input.q }}"}, "/method"),
        ({"url": "{{ input.q }}"}, "/url"),
        ({"url": "https://{{ input.nope }}"}, "/url"),
        ({"headers": "{{ input.q }}"}, "/headers"),
        ({"headers": "{{ input.bad }}"}, "/headers/Host"),
        ({"headers": "{{ input.many }}"}, f"/headers/X-{HEADERS_MAX}"),
        ({"headers": {"X-A": "{{ input.line }}"}}, "/headers/X-A"),
        ({"headers": {"X-A": "{{ input.list }}"}}, "/headers/X-A"),
        ({"query": "{{ input.q }}"}, "/query"),
        ({"query": {"a": "{{ input.headers }}"}}, "/query/a"),
        ({"query": {"a": "{{ input.nested }}"}}, "/query/a"),
        ({"json": {"a": "{{ input.nope }}"}}, "/json/a"),
        ({"body": "{{ input.nope }}"}, "/body"),
    ],
)
def test_what_cannot_be_rendered_fails_with_its_place(config: dict[str, Json], place: str) -> None:
    error: Any = asking(**config).aggregate.nodes["call"].error
    assert error["code"] == "expression_failed"
    assert error["message"].startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("config", "is_repeatable"),
    [
        ({}, True),
        ({"method": "HEAD"}, True),
        ({"method": "OPTIONS"}, True),
        ({"method": "PUT"}, False),
        ({"method": "DELETE"}, False),
        ({"method": "POST"}, False),
        ({"method": "{{ 'GET' }}"}, False),
    ],
)
def test_only_what_is_known_to_be_safe_may_be_repeated_unasked(
    config: dict[str, Json], is_repeatable: bool
) -> None:
    assert Http.model_validate({"url": URL, **config}).is_repeatable() == is_repeatable
