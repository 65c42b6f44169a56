"""Mistakes in bodies, handlers of errors, compensations and policies, with their places."""

from copy import deepcopy
from typing import Any

import pytest

from domain.definition_fields import CODES_MAX
from domain.flows import BODY_DEPTH_MAX, MAX_EDGES, MAX_NODES
from domain.identifiers import Json, JsonObject
from tests.domain.example_definition import edge, mistakes_of
from tests.domain.given import a_graph, a_loop, a_map, a_set, an_effect, an_llm

BODY = ["start -> draft", "draft -> end"]
AROUND = ["start -> it", "it -> end"]


def looped(nodes: list[JsonObject], edges: list[str], **config: Any) -> JsonObject:
    """`it` is the third node, a loop with this body."""
    config = config or {"while_": "false"}
    return a_graph([a_loop("it", nodes, edges, **config)], AROUND)


def changed(node: Any, **fields: Any) -> JsonObject:
    return a_graph([{**node, **fields}], AROUND)


def body_of(raw: JsonObject) -> Any:
    raw = deepcopy(raw)
    nodes: Any = raw["nodes"]
    return raw, nodes[2]["config"]["body"]


def without(kind: str) -> JsonObject:
    raw, body = body_of(looped([an_llm("draft")], BODY))
    body["nodes"] = [node for node in body["nodes"] if node["type"] != kind]
    body["edges"] = [one for one in body["edges"] if kind not in one.values()]
    return raw


def with_extra() -> JsonObject:
    raw, body = body_of(looped([an_llm("draft")], BODY))
    body["on_error"] = "draft"
    return raw


def handled(on_error: Json, *more: str) -> JsonObject:
    nodes = [an_llm("it"), a_set("tidy"), a_set("after")]
    edges = [*AROUND, "tidy -> end", "start -> after", "after -> end", *more]
    return {**a_graph(nodes, edges), "on_error": on_error}


IT = "/nodes/2"
INSIDE = "/nodes/2/config/body"
UNDO: JsonObject = {"type": "llm", "config": {"model": "m", "prompt": "x"}}
READS_LATER: JsonObject = {
    "type": "llm",
    "config": {"model": "m", "prompt": "{{ nodes.end.output }}"},
}
PAID: JsonObject = {"model": "gpt-4o", "prompt": "x"}
CHILD: JsonObject = {"workflow_id": "01890000-0000-7000-8000-000000000001"}

BROKEN: dict[str, tuple[Json, list[tuple[str, str]]]] = {
    "body without start": (without("start"), [(f"{INSIDE}/nodes", "missing_start")]),
    "body without end": (without("end"), [(f"{INSIDE}/nodes", "missing_end")]),
    "unknown type inside": (
        looped([{"id": "draft", "type": "telepathy"}], BODY),
        [(f"{INSIDE}/nodes/2/type", "unknown_node_type")],
    ),
    "edge to nowhere inside": (
        looped([an_llm("draft")], [*BODY, "draft -> nowhere"]),
        [(f"{INSIDE}/edges/2/to", "unknown_node")],
    ),
    "cycle inside": (
        looped([a_set("a"), a_set("b")], ["start -> a", "a -> b", "b -> a", "b -> end"]),
        [(f"{INSIDE}/nodes/2", "cycle")],
    ),
    "bad config inside": (
        looped([an_llm("draft", config={"model": "m"})], BODY),
        [(f"{INSIDE}/nodes/2/config", "invalid_config")],
    ),
    "join of more than there is inside": (
        looped([an_llm("draft", join={"count": 2})], BODY),
        [(f"{INSIDE}/nodes/2/join", "invalid_join")],
    ),
    "field that a body does not have": (with_extra(), [(f"{INSIDE}/on_error", "unknown_field")]),
    "body that is none": (
        a_graph([{"id": "it", "type": "loop", "config": {"while": "true", "body": 5}}], AROUND),
        [(INSIDE, "invalid_body")],
    ),
    "loop without a body": (
        a_graph([{"id": "it", "type": "loop", "config": {"while": "true"}}], AROUND),
        [(f"{IT}/config/body", "invalid_config")],
    ),
    "loop that ends two ways": (
        looped([an_llm("draft")], BODY, while_="true", until="true"),
        [(f"{IT}/config", "invalid_config")],
    ),
    "loop that never ends": (
        looped([an_llm("draft")], BODY, max_iterations=3),
        [(f"{IT}/config", "invalid_config")],
    ),
    "too many iterations": (
        looped([an_llm("draft")], BODY, while_="true", max_iterations=10_001),
        [(f"{IT}/config/max_iterations", "invalid_config")],
    ),
    "bad expression of a map": (
        a_graph([a_map("it", [an_llm("draft")], BODY, over="input +")], AROUND),
        [(f"{IT}/config/over", "invalid_expression")],
    ),
    "loop outside of a loop": (
        changed(an_llm("it", config={"model": "m", "prompt": "{{ loop.index }}"})),
        [(f"{IT}/config/prompt", "invalid_expression")],
    ),
    "item inside of a loop": (
        looped([a_set("draft", config={"values": {"x": "{{ item }}"}})], BODY),
        [(f"{INSIDE}/nodes/2/config/values/x", "invalid_expression")],
    ),
    "item in what a map goes over": (
        a_graph([a_map("it", [an_llm("draft")], BODY, over="item.rows")], AROUND),
        [(f"{IT}/config/over", "invalid_expression")],
    ),
    "error on the main path": (
        {
            **handled("tidy"),
            "nodes": [
                *handled("tidy")["nodes"][:2],  # type: ignore[index, misc] # lists
                a_set("it", config={"values": {"x": "{{ error.code }}"}}),
                a_set("tidy"),
                a_set("after"),
            ],
        },
        [(f"{IT}/config/values/x", "invalid_expression")],
    ),
    "body that reads what runs beside it": (
        a_graph(
            [
                a_loop(
                    "it",
                    [a_set("draft", config={"values": {"x": "{{ nodes.beside.output }}"}})],
                    BODY,
                    while_="false",
                ),
                a_set("beside"),
            ],
            [*AROUND, "start -> beside", "beside -> end"],
        ),
        [(f"{INSIDE}/nodes/2/config/values/x", "invalid_expression")],
    ),
    "node outside that reads inside": (
        a_graph(
            [
                a_loop("it", [an_llm("draft")], BODY, while_="false"),
                a_set("look", config={"values": {"x": "{{ nodes.draft.output }}"}}),
            ],
            ["start -> it", "it -> look", "look -> end"],
        ),
        [("/nodes/3/config/values/x", "invalid_expression")],
    ),
    "handler that is no node": (
        handled("nobody"),
        [("/nodes/3", "unreachable_node"), ("/on_error", "unknown_node")],
    ),
    "handler on the main path": (handled("after"), [("/nodes/3", "unreachable_node")]),
    "handler behind the main path": (
        handled("tidy", "it -> tidy"),
        [("/on_error", "invalid_handler")],
    ),
    "handler that is no name": (
        handled(5),
        [("/on_error", "invalid_field"), ("/nodes/3", "unreachable_node")],
    ),
    "repeatable without an effect": (
        changed(a_set("it"), repeatable=True),
        [(f"{IT}/repeatable", "not_repeatable")],
    ),
    "repeatable that is paid for": (
        changed(an_llm("it", config=PAID), repeatable=True),
        [(f"{IT}/repeatable", "not_repeatable")],
    ),
    "repeatable with a record of its own": (
        changed({"id": "it", "type": "sub_workflow", "config": CHILD}, repeatable=True),
        [(f"{IT}/repeatable", "not_repeatable")],
    ),
    "compensation that is no object": (
        changed(an_llm("it"), compensate=5),
        [(f"{IT}/compensate", "invalid_field")],
    ),
    "compensation of an unknown type": (
        changed(an_llm("it"), compensate={"type": "prayer"}),
        [(f"{IT}/compensate/type", "unknown_node_type")],
    ),
    "compensation that is a child": (
        changed(an_llm("it"), compensate={"type": "sub_workflow", "config": CHILD}),
        [(f"{IT}/compensate/type", "not_a_compensation")],
    ),
    "field that a compensation does not have": (
        changed(an_llm("it"), compensate={**UNDO, "join": "all"}),
        [(f"{IT}/compensate/join", "unknown_field")],
    ),
    "policy of a compensation": (
        changed(an_llm("it"), compensate={**UNDO, "retry": {"max_attempts": 0}}),
        [(f"{IT}/compensate/retry/max_attempts", "invalid_field")],
    ),
    "compensation that reads what runs later": (
        changed(an_effect("it"), compensate=READS_LATER),
        [(f"{IT}/compensate/config/prompt", "invalid_expression")],
    ),
    "jitter of more than all": (
        changed(an_llm("it"), retry={"jitter": 1.5}),
        [(f"{IT}/retry/jitter", "invalid_field")],
    ),
    "backoff that shrinks": (
        changed(an_llm("it"), retry={"multiplier": 0.5}),
        [(f"{IT}/retry/multiplier", "invalid_field")],
    ),
    "too many codes": (
        changed(an_llm("it"), retry={"non_retryable": ["x"] * (CODES_MAX + 1)}),
        [(f"{IT}/retry/non_retryable", "invalid_field")],
    ),
    "field that a policy does not have": (
        changed(an_llm("it"), retry={"attempts": 3}),
        [(f"{IT}/retry/attempts", "unknown_field")],
    ),
    "deadline of nothing": (
        changed(an_llm("it"), deadline_s=0),
        [(f"{IT}/deadline_s", "invalid_field")],
    ),
    "heartbeat of a day": (
        changed(an_llm("it"), heartbeat_s=86_400),
        [(f"{IT}/heartbeat_s", "invalid_field")],
    ),
    "timeout of two years": (
        {**changed(an_llm("it")), "timeout_s": 2 * 366 * 86_400},
        [("/timeout_s", "invalid_field")],
    ),
    "field that a definition does not have": (
        {**changed(an_llm("it")), "nodez": []},
        [("/nodez", "unknown_field")],
    ),
    "switch that leaves by the error port": (
        a_graph(
            [
                {
                    "id": "it",
                    "type": "switch",
                    "config": {"cases": [{"port": "error", "when": "true"}]},
                }
            ],
            ["start -> it", "it -error-> end"],
        ),
        [(f"{IT}/config", "invalid_config")],
    ),
    "delay both ways": (
        changed({"id": "it", "type": "delay", "config": {"duration_s": 1, "until": "x"}}),
        [(f"{IT}/config", "invalid_config")],
    ),
    "delay of a negative time": (
        changed({"id": "it", "type": "delay", "config": {"duration_s": -1}}),
        [(f"{IT}/config", "invalid_config")],
    ),
    "form that is no schema": (
        a_graph(
            [
                {
                    "id": "it",
                    "type": "approval",
                    "config": {"title": "?", "form_schema": {"type": "wish"}},
                }
            ],
            ["start -> it", "it -approved-> end"],
        ),
        [(f"{IT}/config/form_schema", "invalid_config")],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_told_with_its_place(name: str) -> None:
    raw, expected = BROKEN[name]
    assert [(path, code) for path, code, _ in mistakes_of(raw)] == expected


def test_bodies_nest_only_so_deep() -> None:
    graph = a_graph([a_set("draft")], BODY)
    place = ""
    for _ in range(BODY_DEPTH_MAX + 1):
        loop: JsonObject = {"id": "it", "type": "loop", "config": {"while": "false", "body": graph}}
        graph = a_graph([loop], AROUND)
        place += "/nodes/2/config/body"
    assert [(path, code) for path, code, _ in mistakes_of(graph)] == [(place, "too_deep")]


def test_nodes_are_counted_over_all_bodies() -> None:
    inside = [a_set(f"n{index}") for index in range(MAX_NODES - 4)]
    edges = [f"start -> n{index}" for index in range(MAX_NODES - 4)] + ["n0 -> end"]
    (mistake,) = mistakes_of(looped(inside, edges))
    assert mistake == (f"{INSIDE}/nodes", "too_many_nodes", "501 nodes, more than 500")


def test_edges_are_counted_over_all_bodies() -> None:
    raw, body = body_of(looped([an_llm("draft")], BODY))
    body["edges"] = [edge("start", "draft")] * (MAX_EDGES - 1)
    assert mistakes_of(raw) == [
        (f"{INSIDE}/edges", "too_many_edges", f"{MAX_EDGES + 1} edges, more than {MAX_EDGES}")
    ]
