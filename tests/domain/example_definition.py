"""A valid definition, ways to break it, and what is then said about it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from domain.definitions import InvalidDefinition, parse_definition
from domain.identifiers import Json

# The example of the public contract, without the node types that are not there yet.
EXAMPLE: dict[str, Any] = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "draft",
            "type": "llm",
            "config": {"model": "offline/echo", "prompt": "Answer: {{ input.question }}"},
            "timeout_s": 30,
            "retry": {
                "max_attempts": 3,
                "initial_backoff_s": 1,
                "multiplier": 2,
                "max_backoff_s": 30,
            },
            "on_unknown": "retry",
        },
        {
            "id": "long",
            "type": "condition",
            "config": {"expression": "size(nodes.draft.output.text) > 100"},
        },
        {"id": "note", "type": "set", "config": {"values": {"q": "{{ input.question }}"}}},
        {
            "id": "end",
            "type": "end",
            "config": {"output": {"answer": "{{ nodes.draft.output.text }}"}},
        },
    ],
    "edges": [
        {"from": "start", "to": "draft"},
        {"from": "draft", "to": "long"},
        {"from": "long", "port": "true", "to": "note"},
        {"from": "long", "port": "false", "to": "end"},
        {"from": "note", "to": "end"},
    ],
}

Edit = Callable[[list[Any], list[Any]], object]


def mistakes_of(raw: Json) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_definition(raw)
    return [(error.path, error.code, error.message) for error in refusal.value.errors]


def edited(edit: Edit) -> Json:
    raw = deepcopy(EXAMPLE)
    edit(raw["nodes"], raw["edges"])
    return raw


def edge(source: str, target: str, **port: str) -> dict[str, str]:
    return {"from": source, "to": target, **port}
