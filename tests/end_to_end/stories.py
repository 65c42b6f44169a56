"""The workflow of the stories: a model call, a branch, a value, an end."""

from typing import Any


def question_workflow(**draft: Any) -> dict[str, Any]:
    """`draft`: what the model node has beside its config (retry, timeout_s)."""
    return {
        "name": "Answer",
        "definition": {
            "nodes": [
                {"id": "start", "type": "start"},
                {
                    "id": "draft",
                    "type": "llm",
                    "config": {"model": "offline/echo", "prompt": "Answer: {{ input.question }}"},
                    **draft,
                },
                {
                    "id": "long",
                    "type": "condition",
                    "config": {"expression": "size(nodes.draft.output.text) > 20"},
                },
                {"id": "short", "type": "set", "config": {"values": {"note": "short"}}},
                {
                    "id": "end",
                    "type": "end",
                    "config": {"output": {"answer": "{{ nodes.draft.output.text }}"}},
                },
            ],
            "edges": [
                {"from": "start", "to": "draft"},
                {"from": "draft", "to": "long"},
                {"from": "long", "port": "true", "to": "end"},
                {"from": "long", "port": "false", "to": "short"},
                {"from": "short", "to": "end"},
            ],
        },
    }


def scripted_workflow(script: list[dict[str, Any]], **draft: Any) -> dict[str, Any]:
    """One model call that answers, fails and waits as the script says."""
    return {
        "name": "Scripted",
        "definition": {
            "nodes": [
                {"id": "start", "type": "start"},
                {
                    "id": "draft",
                    "type": "llm",
                    "config": {
                        "model": "offline/script",
                        "prompt": "go",
                        "parameters": {"script": script},
                    },
                    **draft,
                },
                {"id": "end", "type": "end"},
            ],
            "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
        },
    }
