"""In which order a run is undone, and how much is looked at for it."""

from typing import Any

import pytest

from domain.definitions import parse_definition
from domain.node_runs import NodeRun, NodeRuns
from domain.undo_plan import UNDONE_AT_ONCE_MAX, Undo, UndoPlan
from tests.domain import given as stories

EDGES = ["start -> book", "book -> end"]
UNDONE = NodeRun("COMPLETED", attempt=1)


class CountingRuns(NodeRuns):
    """looks_count: how often something was asked about a node."""

    looks_count = 0

    def get(self, path: str) -> NodeRun:
        self.looks_count += 1
        return super().get(path)


def a_plan(body_type: Any, count: int) -> UndoPlan:
    """Of a loop or map whose body was run so often, each time with something to undo."""
    book = stories.an_effect("book")
    config = {"max_iterations": count, "while_": "true"} if body_type is stories.a_loop else {}
    body = body_type("each", [book], EDGES, **config)
    graph = stories.a_graph([body], ["start -> each", "each -> end"])
    definition = parse_definition(graph)
    node = definition.node("each[0]/book")
    assert node is not None
    assert node.compensation is not None
    found = [Undo(f"each[{index}]/book", node.compensation) for index in range(count)]
    return UndoPlan(found, definition.flow)


@pytest.mark.parametrize("body_type", [stories.a_loop, stories.a_map])
def test_everything_is_undone_once_and_the_newest_first(body_type: Any) -> None:
    plan, runs = a_plan(body_type, 3 * UNDONE_AT_ONCE_MAX), CountingRuns()
    undone: list[Undo] = []
    while free := plan.free(runs):
        undone.append(free[0])
        runs.by_path[free[0].own_path] = UNDONE
    assert undone == plan.whole


def test_iterations_of_a_loop_are_undone_one_after_the_other() -> None:
    plan, runs = a_plan(stories.a_loop, 5), CountingRuns()
    assert [one.path for one in plan.free(runs)] == ["each[4]/book"]
    assert [one.path for one in plan.free(runs)] == ["each[4]/book"]
    runs.by_path["each[4]/book/compensate"] = UNDONE
    assert [one.path for one in plan.free(runs)] == ["each[3]/book"]


def test_items_of_a_map_are_undone_together_up_to_the_bound() -> None:
    plan, runs = a_plan(stories.a_map, UNDONE_AT_ONCE_MAX + 2), CountingRuns()
    assert plan.free(runs) == plan.whole[:UNDONE_AT_ONCE_MAX]
    runs.by_path[plan.whole[5].own_path] = UNDONE
    rest = [*plan.whole[:5], *plan.whole[6 : UNDONE_AT_ONCE_MAX + 1]]
    assert plan.free(runs) == rest


def test_one_that_cannot_be_undone_leaves_the_others_free() -> None:
    plan, runs = a_plan(stories.a_map, 3), CountingRuns()
    runs.by_path[plan.whole[0].own_path] = NodeRun("FAILED", attempt=1)
    runs.by_path[plan.whole[1].own_path] = UNDONE
    assert plan.free(runs) == [plan.whole[0], plan.whole[2]]


@pytest.mark.parametrize("body_type", [stories.a_loop, stories.a_map])
def test_a_step_costs_the_same_however_much_there_is_to_undo(body_type: Any) -> None:
    def looks_per_step(count: int) -> int:
        plan, runs = a_plan(body_type, count), CountingRuns()
        for _ in range(UNDONE_AT_ONCE_MAX):
            runs.by_path[plan.free(runs)[0].own_path] = UNDONE
        runs.looks_count = 0
        plan.free(runs)
        return runs.looks_count

    assert looks_per_step(10_000) == looks_per_step(1000) <= 3 * UNDONE_AT_ONCE_MAX
