"""Every mistake in a definition is told, with its place and its reason."""

from typing import Any

import pytest

from tests.domain.example_definition import Edit, edge, edited, mistakes_of

BROKEN: dict[str, tuple[Edit, list[tuple[str, str, str]]]] = {
    "unknown node type": (
        lambda nodes, _: nodes[1].update(type="telepathy"),
        [("/nodes/1/type", "unknown_node_type", "there is no node type `telepathy`")],
    ),
    "missing node type": (
        lambda nodes, _: nodes[1].pop("type"),
        [("/nodes/1/type", "unknown_node_type", "a node needs a type")],
    ),
    "missing id": (
        lambda nodes, _: nodes[1].pop("id"),
        [("/nodes/1/id", "missing_id", "a node needs an id")],
    ),
    "empty id": (
        lambda nodes, _: nodes[1].update(id=""),
        [("/nodes/1/id", "missing_id", "a node needs an id")],
    ),
    "id of another type": (
        lambda nodes, _: nodes[1].update(id=5),
        [("/nodes/1/id", "invalid_field", "Input should be a valid string")],
    ),
    "id with a path in it": (
        lambda nodes, edges: (
            nodes.append({"id": "a/b", "type": "set", "config": {"values": {}}}),
            edges.append(edge("start", "a/b")),
        ),
        [("/nodes/5/id", "invalid_field", "String should match pattern")],
    ),
    "duplicate id": (
        lambda nodes, _: nodes.append({"id": "note", "type": "set", "config": {"values": {}}}),
        [("/nodes/5/id", "duplicate_id", "`note` is the id of /nodes/3 already")],
    ),
    "edge to nowhere": (
        lambda _, edges: edges.append(edge("draft", "nowhere")),
        [("/edges/5/to", "unknown_node", "there is no node `nowhere`")],
    ),
    "edge from nowhere": (
        lambda _, edges: edges.append(edge("nowhere", "draft")),
        [("/edges/5/from", "unknown_node", "there is no node `nowhere`")],
    ),
    "the same edge twice": (
        lambda _, edges: edges.append(edge("note", "end")),
        [("/edges/5", "duplicate_edge", "/edges/4 is the same edge")],
    ),
    "cycle": (
        lambda _, edges: edges.append(edge("note", "draft")),
        [("/nodes/1", "cycle", "draft -> long -> note -> draft")],
    ),
    "node behind itself": (
        lambda _, edges: edges.append(edge("note", "note")),
        [("/nodes/3", "cycle", "note -> note")],
    ),
    "unreachable node": (
        lambda nodes, edges: (
            nodes.append({"id": "island", "type": "set", "config": {"values": {}}}),
            edges.append(edge("island", "end")),
        ),
        [("/nodes/5", "unreachable_node", "no path leads from the start to `island`")],
    ),
    "no start": (
        lambda nodes, edges: (nodes.pop(0), edges.pop(0)),
        [("/nodes", "missing_start", "there is no node of type start")],
    ),
    "two starts": (
        lambda nodes, edges: (
            nodes.append({"id": "again", "type": "start"}),
            edges.append(edge("again", "draft")),
        ),
        [("/nodes/5", "several_starts", "`start` is the start already")],
    ),
    "no end": (
        lambda nodes, edges: (nodes.pop(4), edges.pop(4), edges.pop(3)),
        [("/nodes", "missing_end", "there is no node of type end")],
    ),
    "bad expression": (
        lambda nodes, _: nodes[2]["config"].update(expression="size(nodes.draft"),
        [
            (
                "/nodes/2/config/expression",
                "invalid_expression",
                "`size(nodes.draft`: line 1, column 17: missing ')'",
            )
        ],
    ),
    "bad placeholder deep in a config": (
        lambda nodes, _: nodes[4]["config"].update(output={"a": [{"b": "{{ 1 + }}"}]}),
        [("/nodes/4/config/output/a/0/b", "invalid_expression", "column 4: unexpected end")],
    ),
    "expression over an unknown variable": (
        lambda nodes, _: nodes[2]["config"].update(expression="secrets.key == 1"),
        [("/nodes/2/config/expression", "invalid_expression", "`secrets` is unknown")],
    ),
    "expression over an unknown node": (
        lambda nodes, _: nodes[4]["config"].update(output="{{ nodes.drafft.output }}"),
        [("/nodes/4/config/output", "invalid_expression", "there is no node `drafft`")],
    ),
    "expression over a node that runs later": (
        lambda nodes, _: nodes[1]["config"].update(prompt="{{ nodes.note.output.q }}"),
        [
            (
                "/nodes/1/config/prompt",
                "invalid_expression",
                "node `note` does not run before `draft`",
            )
        ],
    ),
    "config of another type": (
        lambda nodes, _: nodes[1]["config"].update(model=5),
        [("/nodes/1/config/model", "invalid_config", "Input should be a string")],
    ),
    "config without what is needed": (
        lambda nodes, _: nodes[2].pop("config"),
        [("/nodes/2/config/expression", "invalid_config", "Field required")],
    ),
    "config that is no object": (
        lambda nodes, _: nodes[2].update(config=[]),
        [("/nodes/2/config", "invalid_config", "valid dictionary")],
    ),
    "unknown field of a config": (
        lambda nodes, _: nodes[1]["config"].update(promt="x"),
        [("/nodes/1/config/promt", "unknown_field", "there is no such field")],
    ),
    "unknown field of a node": (
        lambda nodes, _: nodes[1].update(timeout=3),
        [("/nodes/1/timeout", "unknown_field", "there is no such field")],
    ),
    "unknown field of an edge": (
        lambda _, edges: edges[0].update(label="x"),
        [("/edges/0/label", "unknown_field", "there is no such field")],
    ),
    "edge without target": (
        lambda _, edges: edges[0].pop("to"),
        [("/edges/0/to", "invalid_edge", "Field required")],
    ),
    "node that is no object": (
        lambda nodes, _: nodes.append("note"),
        [("/nodes/5", "invalid_node", "a node must be an object")],
    ),
    "edge that is no object": (
        lambda _, edges: edges.append(["start", "end"]),
        [("/edges/5", "invalid_edge", "an edge must be an object")],
    ),
    "unknown port": (
        lambda _, edges: edges[2].update(port="maybe"),
        [("/edges/2/port", "unknown_port", "`long` has no port `maybe`; there are false, true")],
    ),
    "missing port": (
        lambda _, edges: edges[2].pop("port"),
        [("/edges/2/port", "unknown_port", "an edge from `long` needs a port: false or true")],
    ),
    "error port of the start": (
        lambda _, edges: edges.append(edge("start", "end", port="error")),
        [("/edges/5/port", "unknown_port", "`start` has no port `error`")],
    ),
    "edge out of an end": (
        lambda nodes, edges: (
            nodes.append({"id": "after", "type": "set", "config": {"values": {}}}),
            edges.append(edge("end", "after")),
        ),
        [("/edges/5/port", "unknown_port", "no edge may leave `end`")],
    ),
    "compensation without a model": (
        lambda nodes, _: nodes[1].update(compensate={"type": "llm"}),
        [
            ("/nodes/1/compensate/config/model", "invalid_config", "needs either model or models"),
        ],
    ),
    "compensation of nothing": (
        lambda nodes, _: nodes[3].update(compensate={"type": "llm"}),
        [("/nodes/3/compensate", "nothing_to_compensate", "no effect that could be undone")],
    ),
    "compensation by nothing": (
        lambda nodes, _: nodes[1].update(compensate={"type": "set", "config": {"values": {}}}),
        [("/nodes/1/compensate/type", "not_a_compensation", "of type set undoes nothing")],
    ),
    "unknown policy": (
        lambda nodes, _: nodes[1].update(on_unknown="hope"),
        [("/nodes/1/on_unknown", "invalid_field", "'retry', 'ask' or 'fail'")],
    ),
    "timeout of nothing": (
        lambda nodes, _: nodes[1].update(timeout_s=0),
        [("/nodes/1/timeout_s", "invalid_field", "greater than 0")],
    ),
    "timeout of a day": (
        lambda nodes, _: nodes[1].update(timeout_s=86400),
        [("/nodes/1/timeout_s", "invalid_field", "less than or equal to 3600")],
    ),
    "timeout in words": (
        lambda nodes, _: nodes[1].update(timeout_s="30"),
        [("/nodes/1/timeout_s", "invalid_field", "valid number")],
    ),
    "retry without end": (
        lambda nodes, _: nodes[1].update(retry={"max_attempts": 1000}),
        [("/nodes/1/retry/max_attempts", "invalid_field", "less than or equal to 100")],
    ),
    "join that is none": (
        lambda nodes, _: nodes[4].update(join="some"),
        [("/nodes/4/join", "invalid_field", 'must be "all", "any" or')],
    ),
    "join that counts more than there is": (
        lambda nodes, _: nodes[4].update(join={"count": 3}),
        [("/nodes/4/join", "invalid_join", "`end` waits for 3 edges and has 2")],
    ),
    "message without role": (
        lambda nodes, _: nodes[1].update(config={"model": "m", "messages": [{"content": "Hi"}]}),
        [("/nodes/1/config/messages", "invalid_config", "must be a list of {role, content}")],
    ),
    "prompt and messages": (
        lambda nodes, _: nodes[1]["config"].update(messages=[{"role": "user", "content": "Hi"}]),
        [("/nodes/1/config", "invalid_config", "needs either prompt or messages")],
    ),
    "agent that is no id": (
        lambda nodes, _: nodes[1].update(
            type="agent", config={"agent_id": "the best one", "input": 1}
        ),
        [("/nodes/1/config/agent_id", "invalid_config", "must be the id of an agent")],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_told_with_its_place_and_reason(name: str) -> None:
    edit, expected = BROKEN[name]
    found = mistakes_of(edited(edit))
    assert [(path, code) for path, code, _ in found] == [(path, code) for path, code, _ in expected]
    for (_, _, message), (_, _, part) in zip(found, expected, strict=True):
        assert part in message


def test_all_mistakes_are_told_at_once() -> None:
    def edit(nodes: list[Any], edges: list[Any]) -> None:
        nodes[1]["config"] = {"model": "", "prompt": "{{ 1 + }}", "extra": 1}
        nodes[2]["timeout_s"] = -1
        nodes[3]["config"] = {"values": 5}
        edges.append(edge("draft", "nowhere"))

    found = {(path, code) for path, code, _ in mistakes_of(edited(edit))}
    assert found == {
        ("/nodes/1/config/model", "invalid_config"),
        ("/nodes/1/config/prompt", "invalid_expression"),
        ("/nodes/1/config/extra", "unknown_field"),
        ("/nodes/2/timeout_s", "invalid_field"),
        ("/nodes/3/config/values", "invalid_config"),
        ("/edges/5/to", "unknown_node"),
    }


def test_two_cycles_are_two_mistakes() -> None:
    def edit(nodes: list[Any], edges: list[Any]) -> None:
        nodes += [{"id": name, "type": "set", "config": {"values": {}}} for name in "abcd"]
        edges.extend([edge("start", "a"), edge("a", "b"), edge("b", "a")])
        edges.extend([edge("b", "c"), edge("c", "d"), edge("d", "c"), edge("d", "end")])

    found = mistakes_of(edited(edit))
    assert [(path, code) for path, code, _ in found] == [
        ("/nodes/5", "cycle"),
        ("/nodes/7", "cycle"),
    ]
    assert "a -> b -> a" in found[0][2]
    assert "c -> d -> c" in found[1][2]
