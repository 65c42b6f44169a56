"""Whatever is wrong with a request, it is answered with one problem document, and nothing is
stored.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import orjson
import pytest

from commands.authorization import Caller
from domain.definitions import InvalidDefinition
from domain.identifiers import JsonObject, TenantId
from tests.write_api.api import BODY_BYTES_MAX, OPERATOR_KEY, Api, problem
from tests.write_api.bodies import AGENT, API_KEY, DEFINITION, TENANT, WORKFLOW

UNKNOWN_ID = "019a0000-0000-7000-8000-000000000000"

Nodes = list[JsonObject]
Edges = list[JsonObject]


def node(node_id: str) -> JsonObject:
    return {
        "id": node_id,
        "type": "llm",
        "config": {"model": "offline/echo", "prompt": "Hello"},
    }


def edge(source: str, target: str) -> JsonObject:
    return {"from": source, "to": target}


# Each breaks the nodes [start, draft, end] or the edges [start -> draft, draft -> end] in one way.


def unknown_node_type(nodes: Nodes, edges: Edges) -> None:
    nodes[1]["type"] = "telepathy"


def missing_id(nodes: Nodes, edges: Edges) -> None:
    del nodes[1]["id"]


def duplicate_id(nodes: Nodes, edges: Edges) -> None:
    nodes.append(node("draft"))


def unknown_node(nodes: Nodes, edges: Edges) -> None:
    edges.append(edge("draft", "nowhere"))


def cycle(nodes: Nodes, edges: Edges) -> None:
    nodes.append(node("again"))
    edges.extend([edge("draft", "again"), edge("again", "draft")])


def unreachable_node(nodes: Nodes, edges: Edges) -> None:
    nodes.append(node("island"))
    edges.append(edge("island", "end"))


def missing_start(nodes: Nodes, edges: Edges) -> None:
    del nodes[0]
    del edges[0]


def missing_end(nodes: Nodes, edges: Edges) -> None:
    del nodes[2]
    del edges[1]


def invalid_expression(nodes: Nodes, edges: Edges) -> None:
    nodes[1]["config"] = {"model": "offline/echo", "prompt": "{{ input. + }}"}


def invalid_config(nodes: Nodes, edges: Edges) -> None:
    nodes[1]["config"] = {"model": 5, "prompt": "Hello"}


def definition_too_large(nodes: Nodes, edges: Edges) -> None:
    nodes[1]["config"] = {"model": "offline/echo", "prompt": "x" * 256 * 1024}


BREAKS: tuple[Callable[[Nodes, Edges], None], ...] = (
    unknown_node_type,
    missing_id,
    duplicate_id,
    unknown_node,
    cycle,
    unreachable_node,
    missing_start,
    missing_end,
    invalid_expression,
    invalid_config,
    definition_too_large,
)


def broken(breaks: Callable[[Nodes, Edges], None]) -> JsonObject:
    definition: dict[str, Any] = deepcopy(DEFINITION)
    breaks(definition["nodes"], definition["edges"])
    return {**WORKFLOW, "definition": definition}


@pytest.mark.parametrize("breaks", BREAKS)
async def test_a_broken_definition_is_refused_with_the_place_and_the_reason(
    api: Api, breaks: Callable[[Nodes, Edges], None]
) -> None:
    response = await api.send("POST", "/workflows", broken(breaks))
    mistakes = problem(response, 422, InvalidDefinition.code)
    assert breaks.__name__ in [mistake for _, mistake in mistakes], response.text
    assert all(path.startswith("/definition") for path, _ in mistakes)
    assert api.store.events == []


async def test_a_cycle_names_its_nodes(api: Api) -> None:
    response = await api.send("POST", "/workflows", broken(cycle))
    messages = [mistake["message"] for mistake in response.json()["errors"]]
    assert any("draft" in message and "again" in message for message in messages)


@pytest.mark.parametrize(
    "definition",
    [None, 5, "graph", [], {}, {"nodes": {}, "edges": []}, {"nodes": [5], "edges": [5]}],
)
async def test_what_is_no_graph_at_all_is_refused(api: Api, definition: object) -> None:
    response = await api.send("POST", "/workflows", {**WORKFLOW, "definition": definition})
    assert problem(response, 422, InvalidDefinition.code)
    assert api.store.events == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unparsable_json"),
        (b"{", "unparsable_json"),
        (b"{'name': 'x'}", "unparsable_json"),
        (b'{"name": NaN}', "unparsable_json"),
        (b'{"name": 1e999}', "unparsable_json"),
        (b'{"name": "\xff"}', "unparsable_json"),
        (b'{"name": "\\ud800"}', "unparsable_json"),
        (b'\xef\xbb\xbf{"name": "x"}', "unparsable_json"),
        (b"[" * 100_000, "unparsable_json"),
        (b'{"name": "x", "model": "y", "name": "z"}', "duplicate_member"),
    ],
)
async def test_what_is_not_json_is_refused(api: Api, body: bytes, code: str) -> None:
    response = await api.send("POST", "/agents", body)
    assert problem(response, 400, "unparsable_json") == [("", code)]
    assert api.store.events == []


@pytest.mark.parametrize(
    ("parameters", "mistake"),
    [
        (b'{"a": {"b\\u0000": 1}}', ("/parameters/a", "nul_character")),
        (b'{"a": ["x", "\\u0000"]}', ("/parameters/a/1", "nul_character")),
        (b'{"a": 18446744073709551617}', ("", "number_out_of_range")),
        (b'{"a": -9223372036854775809}', ("", "number_out_of_range")),
        (b'{"a":' * 70 + b"1" + b"}" * 70, ("/parameters/a/a", "too_deep")),
    ],
)
async def test_json_that_cannot_be_stored_is_refused(
    api: Api, parameters: bytes, mistake: tuple[str, str]
) -> None:
    body = orjson.dumps(AGENT)[:-1] + b',"parameters":' + parameters + b"}"
    response = await api.send("POST", "/agents", body)
    assert problem(response, 422, "invalid") == [mistake]
    assert api.store.events == []


@pytest.mark.parametrize(
    "parameters",
    [b'{"a": 18446744073709551615}', b'{"a": "\\\\u0000"}', b'{"a":' * 62 + b"1" + b"}" * 62],
)
async def test_json_at_the_limits_is_stored_as_it_came(api: Api, parameters: bytes) -> None:
    body = orjson.dumps(AGENT)[:-1] + b',"parameters":' + parameters + b"}"
    response = await api.send("POST", "/agents", body)
    assert response.status_code == 201, response.text
    profile = api.store.states[0]["profile"]
    assert isinstance(profile, dict)
    assert profile["parameters"] == orjson.loads(parameters)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""],
)
async def test_another_content_type_is_refused(api: Api, content_type: str) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"Content-Type": content_type})
    problem(response, 415, "unsupported_media_type")
    assert api.store.events == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
async def test_json_by_any_spelling_of_its_name_is_read(api: Api, content_type: str) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"Content-Type": content_type})
    assert response.status_code == 201


async def test_a_compressed_body_is_refused(api: Api) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"Content-Encoding": "gzip"})
    problem(response, 415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused_by_its_announced_length(api: Api) -> None:
    body = {**AGENT, "instructions": "x" * BODY_BYTES_MAX}
    response = await api.send("POST", "/agents", body)
    assert problem(response, 413, "body_too_large") == [("", "body_too_large")]
    assert api.store.events == []


async def test_a_body_that_does_not_announce_its_length_is_counted(api: Api) -> None:
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 2 * BODY_BYTES_MAX:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    response = await api.client.post(
        "agents",
        content=endless(),
        headers={"Authorization": "Bearer al_test", "Content-Type": "application/json"},
    )
    problem(response, 413, "body_too_large")
    assert sent <= BODY_BYTES_MAX + 2 * 64 * 1024


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/agents", AGENT),
        ("/workflows", WORKFLOW),
        ("/api-keys", API_KEY),
    ],
)
async def test_an_unknown_field_is_refused_by_name(api: Api, path: str, body: JsonObject) -> None:
    response = await api.send("POST", path, {**body, "tenant_id": UNKNOWN_ID, "a/b~c": 1})
    assert problem(response, 422, "invalid") == [
        ("/tenant_id", "unknown_field"),
        ("/a~1b~0c", "unknown_field"),
    ]
    assert api.store.events == []


@pytest.mark.parametrize("body", [[], "text", 5, None, True])
async def test_a_body_that_is_no_object_is_refused(api: Api, body: object) -> None:
    for path in ("/agents", "/workflows", "/api-keys"):
        response = await api.send("POST", path, orjson.dumps(body))
        assert [path for path, _ in problem(response, 422, "invalid")] == [""]
    assert api.store.events == []


async def test_a_missing_field_is_refused_by_name(api: Api) -> None:
    response = await api.send("POST", "/workflows", {})
    assert problem(response, 422, "invalid") == [
        ("/name", "missing_field"),
        ("/definition", "missing_field"),
    ]


async def test_a_value_is_not_taken_for_another_type(api: Api) -> None:
    response = await api.send("POST", "/workflows", {**WORKFLOW, "name": 5, "is_public": "true"})
    assert problem(response, 422, "invalid") == [
        ("/name", "string_type"),
        ("/is_public", "bool_type"),
    ]


# (method, path with the id, body) of every route that names something.
NAMING: list[tuple[str, str, JsonObject | None]] = [
    ("PATCH", "/agents/{id}", {"name": "x"}),
    ("DELETE", "/agents/{id}", None),
    ("POST", "/agents/{id}/execute", {"input": 1}),
    ("PATCH", "/workflows/{id}", {"name": "x"}),
    ("DELETE", "/workflows/{id}", None),
    ("POST", "/workflows/{id}/execute", {"input": 1}),
    ("POST", "/executions/{id}/cancel", {}),
    ("DELETE", "/api-keys/{id}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), NAMING)
async def test_an_unknown_id_is_not_found(
    api: Api, method: str, path: str, body: JsonObject | None
) -> None:
    response = await api.send(method, path.format(id=UNKNOWN_ID), body)
    problem(response, 404, "not_found")
    assert api.store.events == []


@pytest.mark.parametrize(("method", "path", "body"), NAMING)
async def test_an_id_that_is_none_is_refused(
    api: Api, method: str, path: str, body: JsonObject | None
) -> None:
    response = await api.send(method, path.format(id="not-an-id"), body)
    ((place, _),) = problem(response, 422, "invalid")
    assert place.startswith("path:")
    assert api.store.events == []


async def test_another_tenants_id_is_answered_like_an_unknown_one(api: Api) -> None:
    made = {
        "agents": (await api.created("/agents", AGENT))["agent_id"],
        "workflows": (await api.created("/workflows", WORKFLOW))["workflow_id"],
        "api-keys": (await api.created("/api-keys", API_KEY))["api_key_id"],
    }
    begun = await api.created(f"/workflows/{made['workflows']}/execute", {"input": 1})
    made["executions"] = begun["execution_id"]
    stored_count = len(api.store.events)
    stranger = Caller("api_key:stranger", TenantId(api.world.ids.new()), frozenset({"*"}))
    headers = {"Authorization": api.allow("al_stranger", stranger)}
    for method, path, body in NAMING:
        own_id = made[path.split("/")[1]]
        foreign = await api.send(method, path.format(id=own_id), body, headers=headers)
        unknown = await api.send(method, path.format(id=UNKNOWN_ID), body, headers=headers)
        problem(foreign, 404, "not_found")
        assert without_request_id(foreign) == without_request_id(unknown)
    assert len(api.store.events) == stored_count


async def test_a_revoked_key_is_no_key(api: Api) -> None:
    made = await api.created("/api-keys", {"name": "short-lived", "scopes": ["*"]})
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    assert (await api.send("POST", "/agents", AGENT, headers=headers)).status_code == 201
    await api.send("DELETE", f"/api-keys/{made['api_key_id']}")
    stored_count = len(api.store.events)
    response = await api.send("POST", "/agents", AGENT, headers=headers)
    problem(response, 401, "unauthenticated")
    assert len(api.store.events) == stored_count


@pytest.mark.parametrize("path", ["/agents", "/workflows", "/api-keys", "/tenants"])
async def test_no_key_or_an_unknown_one_is_refused_before_the_body_is_read(
    api: Api, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer al_unknown"}, {"X-Operator-Key": "guess"}):
        response = await api.client.post(path.removeprefix("/"), content=b"{", headers=headers)
        problem(response, 401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert api.store.events == []


async def test_the_operator_is_no_tenant(api: Api) -> None:
    headers = {"X-Operator-Key": OPERATOR_KEY, "Content-Type": "application/json"}
    response = await api.client.post("agents", content=orjson.dumps(AGENT), headers=headers)
    problem(response, 403, "forbidden")
    assert api.store.events == []


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "tab\there"])
async def test_a_malformed_idempotency_key_is_refused(api: Api, key: str) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"Idempotency-Key": key})
    assert problem(response, 422, "invalid") == [("header:Idempotency-Key", "invalid_header")]
    assert api.store.events == []


async def test_an_unknown_route_and_an_unknown_method_are_problems_too(api: Api) -> None:
    problem(await api.send("GET", "/agent"), 404, "unknown_route")
    problem(await api.send("POST", "/agents/"), 404, "unknown_route")
    response = await api.send("PUT", "/agents", AGENT)
    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


async def test_the_first_tenant_body_is_accepted_as_a_control(api: Api) -> None:
    headers = {"X-Operator-Key": OPERATOR_KEY}
    assert (await api.send("POST", "/tenants", TENANT, headers=headers)).status_code == 201


def without_request_id(response: httpx.Response) -> JsonObject:
    return {key: value for key, value in response.json().items() if key != "request_id"}
