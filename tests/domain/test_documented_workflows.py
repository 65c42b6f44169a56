"""Every example of docs/workflows.md is a definition, and goes as it says there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.definitions import parse_definition
from domain.identifiers import Json
from domain.nodes.catalogue import NODE_TYPES
from tests.domain import facts
from tests.domain import given as stories
from tests.domain.given import Run, a_run_of
from tests.domain.resuming import under_way

DOCUMENT = Path(__file__).parents[2] / "docs" / "workflows.md"
EXAMPLE = re.compile(
    r"^### (?P<title>.+?)\n(?:(?!^### ).)*?"
    r"^```json workflow\n(?P<workflow>.*?)^```\n\s*^```json run\n(?P<run>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
PATTERN = re.compile(r"^\| (\d+) \| (.+?) \| (yes|partly|no): .+ \|$", re.MULTILINE)
STEPS_MAX = 100


def examples() -> Iterator[Any]:
    for found in EXAMPLE.finditer(DOCUMENT.read_text("utf-8")):
        values = json.loads(found["workflow"]), json.loads(found["run"])
        yield pytest.param(*values, id=found["title"])


@pytest.mark.parametrize(("raw", "course"), list(examples()))
def test_an_example_goes_as_it_says(raw: Any, course: dict[str, Any]) -> None:
    missing = {node["type"] for node in raw["nodes"]} - NODE_TYPES.keys()
    if missing:
        pytest.skip(f"there is no node type {missing} yet")
    run = a_run_of(parse_definition(raw), course.get("input"))
    _live(run, course)
    assert run.status == course["status"]
    assert run.aggregate.output == course.get("output")
    if "error" in course:
        assert (run.aggregate.error or {})["code"] == course["error"]
    if "undone" in course:
        assert facts.fact("compensated", paths=course["undone"]) in run.recorded


def _live(run: Run, course: dict[str, Any]) -> None:
    signals = [stories.signal(*one) for one in course.get("signals", [])]
    signals += [stories.webhook(*one) for one in course.get("webhooks", [])]
    run.aggregate.webhook_path = "/api/v1/webhooks/run/key"
    decisions = dict(course.get("decisions", {}))
    for _ in range(STEPS_MAX):
        for attempt in stories.given(run, stories.advance()).answer:
            run.attempts_seen[attempt.path, attempt.number] = attempt
        if run.aggregate.is_ended:
            return
        ended = [_answer(run, course, *one) for one in under_way(run)]
        if any(ended):
            continue
        waiting = [path for path in decisions if path in run.aggregate.runs.waiting]
        if waiting:
            decision, edits = decisions.pop(waiting[0])
            stories.given(run, stories.decide(waiting[0], decision, edits=edits))
        elif signals:
            stories.given(run, signals.pop(0))
        else:
            assert run.wake_at is not None, "the example waits for something it does not tell"
            run.now = max(run.now, run.wake_at)
    raise AssertionError("the example does not end")


def _answer(run: Run, course: dict[str, Any], path: str, number: int, kind: str) -> bool:
    """Whether the attempt ends now."""
    if kind == "sub_workflow":
        output: Json = course["children"][path]
        begin = stories.begin_child(path, attempt=number)
        stories.given(run, begin, stories.end_child(output))
        return True
    told = course.get("answers", {}).get(path, [])
    answer: Any = told[number - 1] if number <= len(told) else {"output": _echo(run, path, number)}
    if "wait_s" in answer:
        return False
    is_retryable = answer.get("is_retryable", False)
    failing = stories.fail(path, answer.get("fail", ""), attempt=number, is_retryable=is_retryable)
    completing = stories.complete(path, answer.get("output"), attempt=number)
    stories.given(run, failing if "fail" in answer else completing)
    return True


def _echo(run: Run, path: str, number: int) -> Json:
    messages: Any = run.attempts_seen[path, number].request["messages"]
    return {"text": messages[-1]["content"], "finish_reason": "stop", "usage": {}}


def test_every_node_type_has_an_example() -> None:
    shown = {
        node["type"]
        for found in EXAMPLE.finditer(DOCUMENT.read_text("utf-8"))
        for node in json.loads(found["workflow"])["nodes"]
    }
    assert NODE_TYPES.keys() <= shown


def test_every_block_of_the_document_is_part_of_an_example() -> None:
    text = DOCUMENT.read_text("utf-8")
    count = len(list(EXAMPLE.finditer(text)))
    assert text.count("```json workflow") == text.count("```json run") == count > 0


def test_all_patterns_are_answered() -> None:
    found = PATTERN.findall(DOCUMENT.read_text("utf-8"))
    assert [int(number) for number, _, _ in found] == list(range(1, 44))
