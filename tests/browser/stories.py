"""What runs while the dashboard is looked at. Nothing of it takes time: it waits to be told."""

from typing import Any


def workflow(name: str, nodes: list[dict[str, Any]], *edges: tuple[str, ...]) -> dict[str, Any]:
    """edges: (from, to) or (from, to, port)."""
    return {
        "name": name,
        "definition": {
            "nodes": [{"id": "start", "type": "start"}, *nodes, {"id": "end", "type": "end"}],
            "edges": [dict(zip(("from", "to", "port"), edge, strict=False)) for edge in edges],
        },
    }


PAYMENT = workflow(
    "Wait for payment",
    [{"id": "paid", "type": "signal", "config": {"name": "paid"}}],
    ("start", "paid"),
    ("paid", "end"),
)
REFUND = workflow(
    "Refund",
    [
        {
            "id": "ok",
            "type": "approval",
            "config": {
                "title": "Refund {{ input.amount }} USD?",
                "form_schema": {
                    "type": "object",
                    "properties": {"amount": {"type": "number", "title": "Amount to refund"}},
                    "required": ["amount"],
                },
            },
        },
        {"id": "pay", "type": "set", "config": {"values": {"is_paid": True}}},
        {"id": "decline", "type": "set", "config": {"values": {"is_paid": False}}},
    ],
    ("start", "ok"),
    ("ok", "pay", "approved"),
    ("ok", "decline", "rejected"),
    ("pay", "end"),
    ("decline", "end"),
)
FAILING = workflow(
    "Import",
    [
        {
            "id": "fetch",
            "type": "llm",
            "config": {
                "model": "offline/script",
                "prompt": "{{ input.order }}",
                "parameters": {"script": [{"fail": "invalid"}]},
            },
        }
    ],
    ("start", "fetch"),
    ("fetch", "end"),
)
EACH = workflow(
    "Batch",
    [
        {
            "id": "each",
            "type": "map",
            "config": {
                "over": "{{ input.topics }}",
                "body": {
                    "nodes": [
                        {"id": "start", "type": "start"},
                        {
                            "id": "draft",
                            "type": "llm",
                            "config": {"model": "offline/echo", "prompt": "About {{ item }}"},
                        },
                        {"id": "end", "type": "end"},
                    ],
                    "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
                },
            },
        }
    ],
    ("start", "each"),
    ("each", "end"),
)
LETTER = workflow(
    "Letter",
    [
        {"id": "go", "type": "signal", "config": {"name": "go"}},
        {
            "id": "write",
            "type": "llm",
            "config": {
                "model": "offline/script",
                "prompt": "A letter",
                # It would take minutes: whoever looks at it ends it.
                "parameters": {"script": [{"text": "Dear Ada, " * 2000, "word_delay_s": 0.05}]},
            },
        },
    ],
    ("start", "go"),
    ("go", "write"),
    ("write", "end"),
)
