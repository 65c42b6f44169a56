"""Whatever the graph and the outcomes: runs end, attempts happen once, history is enough."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identifiers import Json, JsonObject
from tests.domain import facts
from tests.domain import given as stories
from tests.domain.given import Run, a_condition, a_set, an_llm
from tests.effort import EFFORT

NODES_MAX = 12
STEPS_MAX = 400


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[JsonObject], list[str]]:
    """Nodes in an order of execution, each behind at least one before it; the last are ends."""
    count = draw(st.integers(1, NODES_MAX))
    nodes: list[JsonObject] = []
    edges: list[str] = []
    ports: dict[str, list[str]] = {"start": ["->"]}
    for index in range(count):
        node_id = f"n{index}"
        kind = draw(st.sampled_from(["llm", "llm", "condition", "set"]))
        sources = draw(
            st.lists(st.sampled_from(sorted(ports)), min_size=1, max_size=4, unique=True)
        )
        edges += [
            f"{source} {draw(st.sampled_from(ports[source]))} {node_id}" for source in sources
        ]
        nodes.append(_node(draw, node_id, kind, len(sources)))
        ports[node_id] = {
            "condition": ["-true->", "-false->"],
            "llm": ["->", "->", "-error->"],
        }.get(kind, ["->"])
    last = draw(st.lists(st.sampled_from(sorted(ports)), min_size=1, max_size=5, unique=True))
    edges += [f"{source} {ports[source][0]} end" for source in last]
    return nodes, edges


def _node(draw: st.DrawFn, node_id: str, kind: str, incoming: int) -> JsonObject:
    join: Json = draw(
        st.sampled_from(["all", "all", "any", {"count": draw(st.integers(1, incoming))}])
    )
    if kind == "condition":
        return {**a_condition(node_id, draw(st.sampled_from(["true", "false"]))), "join": join}
    if kind == "set":
        return a_set(node_id, join=join)
    retry: Json = {
        "max_attempts": draw(st.integers(1, 3)),
        "initial_backoff_s": draw(st.integers(0, 5)),
    }
    return an_llm(
        node_id, join=join, retry=retry, on_unknown=draw(st.sampled_from(["retry", "fail"]))
    )


def _live(run: Run, data: st.DataObject) -> Counter[tuple[str, int]]:
    """To the end, with outcomes in any order; (path, attempt) of everything a worker was told."""
    told: Counter[tuple[str, int]] = Counter()
    for _ in range(STEPS_MAX):
        told.update(stories.given(run, stories.advance()).attempts)
        if run.aggregate.is_ended:
            return told
        if data.draw(st.integers(0, 9)) == 0:
            run.aggregate = run.rebuilt()
        _happen(run, data)
    message = f"this run does not end: {run.aggregate.nodes}"
    raise AssertionError(message)


def _happen(run: Run, data: st.DataObject) -> None:
    running = run.aggregate.running_attempts()
    if not running:
        wake_at = run.wake_at
        assert wake_at is not None, "nothing runs, and nothing is waited for"
        run.now = max(run.now, wake_at)
        return
    path, attempt = data.draw(st.sampled_from(running))
    happening = data.draw(st.sampled_from(["complete", "complete", "fail", "break", "crash"]))
    act: dict[str, Any] = {
        "complete": stories.complete(path, attempt=attempt),
        "fail": stories.fail(path, attempt=attempt),
        "break": stories.fail(path, "invalid", attempt=attempt, is_retryable=False),
        "crash": stories.interrupt(),
    }
    stories.given(run, act[happening])


@settings(max_examples=80 * EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=graphs(), data=st.data())
def test_every_run_ends_and_no_attempt_is_made_twice(
    graph: tuple[list[JsonObject], list[str]], data: st.DataObject
) -> None:
    run = stories.a_run(*graph)
    told = _live(run, data)
    assert all(count == 1 for count in told.values())
    assert run.rebuilt() == run.aggregate
    _require_each_node_decided_once(run)
    assert stories.given(run, stories.advance()).recorded == []


def _require_each_node_decided_once(run: Run) -> None:
    decided: Counter[str] = Counter()
    for stored in run.stored:
        match facts.fact_of_stored(stored):
            case "execution.node_completed", {"path": path}:
                decided[path] += 1
            case "execution.node_failed", {"path": path, "retry_at": None}:
                decided[path] += 1
            case "execution.nodes_skipped", {"paths": paths}:
                decided.update(paths)
            case _:
                pass
    assert all(count == 1 for count in decided.values()), decided
    ends = [stored.topic for stored in run.stored if stored.topic in stories.ENDS]
    assert len(ends) == 1
    assert run.stored[-1].topic == ends[0]
