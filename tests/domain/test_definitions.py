"""A definition is checked whole before it is stored, and then named by its hash."""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from domain.definition_mistakes import MISTAKES_MAX
from domain.definitions import (
    MAX_DEFINITION_BYTES,
    parse_definition,
    single_node_definition,
)
from domain.flows import MAX_EDGES, MAX_NODES
from domain.identifiers import Json
from tests.domain.example_definition import EXAMPLE, Edit, edge, edited, mistakes_of

AGENT_ID = "01890000-0000-7000-8000-0000000000aa"


def test_the_example_is_valid() -> None:
    definition = parse_definition(EXAMPLE)
    assert list(definition.nodes) == ["start", "draft", "long", "note", "end"]
    assert definition.flow.start == "start"
    draft = definition.nodes["draft"]
    assert (draft.timeout_s, draft.retry.max_attempts, draft.on_unknown) == (30, 3, "retry")


def test_defaults() -> None:
    node = parse_definition(EXAMPLE).nodes["note"]
    assert (node.timeout_s, node.retry.max_attempts, node.on_unknown) == (60, 1, "retry")
    assert node.needed is None
    retry: Edit = lambda nodes, _: nodes[3].update(retry={})  # noqa: E731
    policy = parse_definition(edited(retry)).nodes["note"].retry
    assert [policy.backoff_s(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert policy.max_attempts == 3


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    shuffled = orjson.loads(orjson.dumps(EXAMPLE))
    shuffled["nodes"][1] = dict(reversed(shuffled["nodes"][1].items()))
    shuffled = dict(reversed(shuffled.items()))
    assert parse_definition(shuffled).hash == parse_definition(EXAMPLE).hash
    longer: Edit = lambda nodes, _: nodes[1].update(timeout_s=31)  # noqa: E731
    assert parse_definition(edited(longer)).hash != parse_definition(EXAMPLE).hash


def test_a_stored_definition_has_its_own_hash_again() -> None:
    definition = parse_definition(EXAMPLE)
    assert definition.canonical == EXAMPLE
    assert parse_definition(definition.canonical).hash == definition.hash


def test_a_definition_is_not_changed_by_whoever_wrote_it() -> None:
    raw = deepcopy(EXAMPLE)
    definition = parse_definition(raw)
    raw["nodes"][1]["config"]["prompt"] = "changed"
    assert definition.canonical == EXAMPLE


def test_what_an_editor_keeps_is_kept() -> None:
    drawn: Edit = lambda nodes, _: nodes[1].update(name="Draft", position={"x": 1, "y": -2.5})  # noqa: E731
    canonical: Any = parse_definition(edited(drawn)).canonical
    assert canonical["nodes"][1]["position"] == {"x": 1, "y": -2.5}


def test_an_agent_alone_is_a_definition() -> None:
    definition = single_node_definition(AGENT_ID, 3)
    assert list(definition.nodes) == ["start", "agent", "end"]
    assert parse_definition(definition.canonical).hash == definition.hash
    assert single_node_definition(AGENT_ID).hash != definition.hash


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (None, ["invalid_definition"]),
        ([], ["invalid_definition"]),
        ("graph", ["invalid_definition"]),
        ({}, ["invalid_definition", "invalid_definition"]),
        ({"nodes": {}, "edges": []}, ["invalid_definition"]),
        ({"nodes": [], "edges": []}, ["missing_start", "missing_end"]),
        ({"nodes": [5], "edges": [5]}, ["invalid_node", "invalid_edge"]),
        ({**EXAMPLE, "version": 1}, ["unknown_field"]),
        ({1: 2}, ["not_json"]),
        ({"nodes": [2**70], "edges": []}, ["not_json"]),
    ],
)
def test_what_is_no_graph_is_refused(raw: Json, codes: list[str]) -> None:
    assert [code for _, code, _ in mistakes_of(raw)] == codes


def test_a_definition_has_limits() -> None:
    huge: Edit = lambda nodes, _: nodes[1]["config"].update(prompt="x" * MAX_DEFINITION_BYTES)  # noqa: E731
    assert [code for _, code, _ in mistakes_of(edited(huge))] == ["definition_too_large"]
    many: Edit = lambda nodes, _: nodes.extend([{"id": "x"}] * MAX_NODES)  # noqa: E731
    assert [code for _, code, _ in mistakes_of(edited(many))] == ["too_many_nodes"]
    edges: Edit = lambda _, edges: edges.extend([{"from": "a", "to": "b"}] * MAX_EDGES)  # noqa: E731
    assert [code for _, code, _ in mistakes_of(edited(edges))] == ["too_many_edges"]


@pytest.mark.parametrize(("depth", "code"), [(120, "too_deep"), (300, "not_json")])
def test_a_definition_does_not_nest_without_end(depth: int, code: str) -> None:
    nested: Json = 1
    for _ in range(depth):
        nested = [nested]
    deep: Edit = lambda nodes, _: nodes[3]["config"].update(values={"x": nested})  # noqa: E731
    assert [found for _, found, _ in mistakes_of(edited(deep))] == [code]


def test_the_list_of_mistakes_has_a_limit() -> None:
    many: Edit = lambda nodes, _: nodes.extend([{}] * 300)  # noqa: E731
    assert len(mistakes_of(edited(many))) == MISTAKES_MAX


def test_the_largest_graph_is_accepted() -> None:
    inner = [f"n{index}" for index in range(MAX_NODES - 2)]
    nodes = [{"id": name, "type": "set", "config": {"values": {}}} for name in inner]
    edges = [edge("start", name) for name in inner] + [edge(name, "end") for name in inner]
    edges += [edge(inner[0], name) for name in inner[1:]] + [edge(inner[1], inner[2])]
    ends = [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}]
    definition: Any = {"nodes": [*ends, *nodes], "edges": edges}
    assert len(parse_definition(definition).nodes) == MAX_NODES


@pytest.mark.parametrize("calls", [0, -1, 1.5, "2", True, 100_001])
def test_what_is_no_number_of_calls_at_once_is_refused(calls: Json) -> None:
    found = mistakes_of({**EXAMPLE, "concurrent_calls": calls})
    assert [path for path, _, _ in found] == ["/concurrent_calls"]


def test_a_definition_says_how_many_calls_its_runs_make_at_once() -> None:
    assert parse_definition(EXAMPLE).concurrent_calls is None
    assert parse_definition({**EXAMPLE, "concurrent_calls": 2}).concurrent_calls == 2
