"""What templates are compared by."""

from domain.identifiers import Json, JsonObject
from domain.workflow_templates import DEPTH_MAX, TEXT_CHARACTERS_MAX, template_text

NODES: JsonObject = {
    "nodes": [
        {"id": "send_reminder", "type": "http", "config": {"url": "https://example.com/pay"}},
        {"id": "eachInvoice", "type": "map", "config": {"body": {"nodes": [
            {"id": "draft", "type": "llm", "config": {"prompt": "Be polite to {{ item }}"}},
        ]}}},
        {"id": "ask", "type": "approval", "config": {"title": "Send it?"}},
    ]
}  # fmt: skip


def test_it_is_the_name_and_what_is_said_and_what_the_nodes_are_and_say() -> None:
    assert template_text("Dunning", "Chases invoices.", NODES).splitlines() == [
        "Dunning",
        "Chases invoices.",
        "send reminder http",
        "each Invoice map",
        "draft llm Be polite to {{ item }}",
        "ask approval Send it?",
    ]


def test_what_is_said_twice_counts_once() -> None:
    node: JsonObject = {"id": "a", "type": "set"}
    assert template_text("x", None, {"nodes": [node, node]}).splitlines() == ["x", "", "a set"]


def test_it_is_of_bounded_length_and_depth() -> None:
    assert len(template_text("x" * 20_000, None, {})) == TEXT_CHARACTERS_MAX
    flow: JsonObject = {"nodes": [{"id": "deepest", "type": "set"}]}
    for _ in range(DEPTH_MAX + 1):
        flow = {"nodes": [{"id": "m", "type": "map", "config": {"body": flow}}]}
    assert "deepest" not in template_text("x", None, flow)


def test_of_what_is_no_definition_nothing_is_told() -> None:
    odd_ones: list[Json] = [None, [], {"nodes": 7}, {"nodes": [None, {"id": 1, "config": []}]}]
    for odd in odd_ones:
        assert template_text("x", "y", odd).split() == ["x", "y"]
