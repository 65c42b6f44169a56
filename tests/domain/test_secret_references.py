"""A secret is meant where its definition says so, and nowhere else."""

from typing import Any

import pytest

from domain.definitions import InvalidDefinition, parse_definition
from domain.identifiers import Json, JsonObject
from domain.node_types import EffectfulNode, Scope
from domain.secret_references import SecretReference

GITHUB: JsonObject = {"$secret": "github"}
INJECTED: JsonObject = {"$secret": "payroll"}


def flow_of(node_type: str, config: JsonObject, **fields: Json) -> JsonObject:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "it", "type": node_type, "config": config, **fields},
            {"id": "end", "type": "end"},
        ],
        "edges": [{"from": "start", "to": "it"}, {"from": "it", "to": "end"}],
    }


def an_http(**config: Json) -> JsonObject:
    return flow_of("http", {"method": "POST", "url": "https://example.com", **config})


def asked(definition: JsonObject, given: Json = None) -> tuple[JsonObject, Any]:
    node = parse_definition(definition).nodes["it"].config
    assert isinstance(node, EffectfulNode)
    return node.request(Scope({"input": given}, {})), node.secrets


def mistakes(definition: JsonObject) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_definition(definition)
    return [(error.path, error.code) for error in refusal.value.errors]


def test_headers_query_json_and_body_may_name_secrets_and_only_the_name_is_rendered() -> None:
    request, secrets = asked(
        an_http(
            headers={"X-A~b": {**GITHUB, "prefix": "Bearer "}, "X-C": "{{ input }}"},
            query={"key": GITHUB, "other": [1, 2]},
            json={"a": [{"deep": GITHUB}, "{{ input }}"]},
        ),
        "text",
    )
    assert request["headers"] == {"X-A~b": {**GITHUB, "prefix": "Bearer "}, "X-C": "text"}
    assert request["query"] == {"key": GITHUB, "other": ["1", "2"]}
    assert request["json"] == {"a": [{"deep": GITHUB}, "text"]}
    assert secrets == (
        SecretReference("/headers/X-A~0b", "github", "Bearer "),
        SecretReference("/query/key", "github"),
        SecretReference("/json/a/0/deep", "github"),
    )


def test_a_body_may_be_a_secret_as_a_whole() -> None:
    request, secrets = asked(an_http(body=GITHUB))
    assert (request["body"], secrets) == (GITHUB, (SecretReference("/body", "github"),))


@pytest.mark.parametrize(
    "config",
    [
        {"json": "{{ input }}"},
        {"json": {"a": "{{ input }}", "b": ["{{ input }}"]}},
    ],
)
def test_input_cannot_make_a_run_send_a_secret(config: JsonObject) -> None:
    _, secrets = asked(an_http(**config), INJECTED)
    assert secrets == ()


@pytest.mark.parametrize("place", ["headers", "query"])
def test_input_in_a_header_or_query_is_no_secret_either(place: str) -> None:
    template: JsonObject = {"x": "{{ input }}"}
    node = parse_definition(an_http(**{place: template})).nodes["it"].config
    assert isinstance(node, EffectfulNode)
    assert node.secrets == ()
    with pytest.raises(Exception, match="must be text"):
        node.request(Scope({"input": INJECTED}, {}))


@pytest.mark.parametrize(
    "reference",
    [
        {"$secret": ""},
        {"$secret": None},
        {"$secret": "{{ input }}"},
        {"$secret": "a b"},
        {"$secret": "a", "other": 1},
        {"$secret": "a", "prefix": 1},
        {"$secret": "a", "prefix": "{{ input }}"},
        {"$secret": "a", "prefix": "x" * 65},
        {"$secret": "x" * 65},
    ],
)
def test_a_reference_is_checked_when_the_definition_is(reference: JsonObject) -> None:
    path = "/nodes/1/config/json/deep/0"
    assert mistakes(an_http(json={"deep": [reference]})) == [(path, "invalid_secret")]


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (
            flow_of("llm", {"model": "m", "prompt": "p", "parameters": {"a": GITHUB}}),
            "parameters/a",
        ),
        (flow_of("llm", {"model": "m", "messages": [GITHUB]}), "messages"),
        (flow_of("set", {"values": {"a": GITHUB}}), "values/a"),
        (an_http(query={"a": [GITHUB]}), "query/a/0"),
        (an_http(headers=GITHUB), "headers"),
    ],
)
def test_elsewhere_a_secret_would_be_recorded_and_is_refused(
    definition: JsonObject, place: str
) -> None:
    found = mistakes(definition)
    assert found[0][0].startswith(f"/nodes/1/config/{place}"), found


def test_what_undoes_may_use_a_secret_too() -> None:
    undo: JsonObject = {
        "type": "http",
        "config": {"url": "https://example.com", "headers": {"X-Key": GITHUB}},
    }
    definition = parse_definition(flow_of("llm", {"model": "m", "prompt": "p"}, compensate=undo))
    compensation = definition.nodes["it"].compensation
    assert compensation is not None
    assert compensation.config.secrets == (SecretReference("/headers/X-Key", "github"),)
