"""Random definitions with everything in them, and random lives of their runs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from domain.definitions import InvalidDefinition, parse_definition
from domain.errors import DomainError
from domain.identifiers import Json, JsonObject
from tests.domain import facts
from tests.domain import given as stories
from tests.domain.given import Act, Run
from tests.domain.resuming import answered, under_way

NODES_MAX = 6
BODY_NODES_MAX = 3
DEPTH_MAX = 2
HAPPENINGS_MAX = 60
STEPS_MAX = 2000

KINDS = [
    *("llm", "effect", "repeatable", "condition", "set", "delay", "signal", "webhook", "approval"),
    "child",
]
FLOW_KINDS = [*KINDS, "llm", "effect", "loop", "map"]
PORTS = {
    "condition": ["-true->", "-false->"],
    "approval": ["-approved->", "-rejected->", "-error->"],
    "set": ["->"],
    "start": ["->"],
}


@st.composite
def definitions(draw: st.DrawFn) -> JsonObject:
    """Some of them with a handler of errors, a timeout, or both."""
    nodes, edges = draw(graphs(depth=0, prefix="n"))
    fields: JsonObject = {}
    if draw(st.booleans()):
        handler = draw(st.sampled_from([stories.an_llm("h"), stories.an_effect("h"), TELL]))
        nodes = [*nodes, handler]
        edges = [*edges, "h -> end"]
        fields["on_error"] = "h"
    if draw(st.integers(0, 5)) == 0:
        fields["timeout_s"] = draw(st.integers(1, 40))
    definition: JsonObject = {**stories.a_graph(nodes, edges), **fields}
    try:
        parse_definition(definition)
    except InvalidDefinition as refusal:
        raise AssertionError([*refusal.errors]) from None
    return definition


TELL: JsonObject = {
    "id": "h",
    "type": "set",
    "config": {"values": {"why": "{{ error.code }}", "where": "{{ error.path }}"}},
}


@st.composite
def graphs(draw: st.DrawFn, depth: int, prefix: str) -> tuple[list[JsonObject], list[str]]:
    """Nodes in an order of execution, each behind at least one before it; the last are ends."""
    count = draw(st.integers(1, NODES_MAX if depth == 0 else BODY_NODES_MAX))
    nodes: list[JsonObject] = []
    edges: list[str] = []
    ports: dict[str, list[str]] = {"start": PORTS["start"]}
    for index in range(count):
        node_id = f"{prefix}{index}"
        kind = draw(st.sampled_from(FLOW_KINDS if depth < DEPTH_MAX else KINDS))
        known = sorted(ports)
        sources = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        edges += [f"{one} {draw(st.sampled_from(ports[one]))} {node_id}" for one in sources]
        join: Json = draw(
            st.sampled_from(["all", "all", "any", {"count": draw(st.integers(1, len(sources)))}])
        )
        nodes.append({**draw(_nodes(node_id, kind, depth)), "join": join})
        ports[node_id] = PORTS.get(kind, ["->", "->", "-error->"])
    last = draw(st.lists(st.sampled_from(sorted(ports)), min_size=1, max_size=4, unique=True))
    edges += [f"{source} {ports[source][0]} end" for source in last]
    return nodes, edges


@st.composite
def _nodes(draw: st.DrawFn, node_id: str, kind: str, depth: int) -> JsonObject:
    if kind in {"loop", "map"}:
        return draw(_bodies(node_id, kind, depth))
    retry: Json = {
        "max_attempts": draw(st.integers(1, 3)),
        "initial_backoff_s": draw(st.integers(0, 8)),
    }
    on_unknown = draw(st.sampled_from(["retry", "fail", "ask"]))
    beside: JsonObject = {"retry": retry, "on_unknown": on_unknown}
    approval: dict[str, Any] = {
        "title": "?",
        "deadline_s": draw(st.sampled_from([None, 30])),
        "on_timeout": draw(st.sampled_from(["approve", "reject", "fail"])),
    }
    signal: dict[str, Any] = {"name": "news", "timeout_s": draw(st.sampled_from([None, 3, 90]))}
    webhook: dict[str, Any] = {"timeout_s": signal["timeout_s"]}
    duration_s = draw(st.sampled_from([0, 2, 60]))
    expression = draw(st.sampled_from(["true", "false"]))
    return {
        "llm": stories.an_llm(node_id, **beside),
        "effect": stories.an_effect(node_id, **beside),
        "repeatable": stories.an_llm(node_id, **beside, repeatable=True),
        "condition": stories.a_condition(node_id, expression),
        "set": stories.a_set(node_id),
        "delay": stories.a_node("delay", node_id, duration_s=duration_s),
        "signal": stories.a_node("signal", node_id, **signal),
        "webhook": stories.a_node("webhook", node_id, **webhook),
        "approval": stories.a_node("approval", node_id, **approval),
        "child": stories.a_node("sub_workflow", node_id, workflow_id=str(facts.EXECUTION_ID)),
    }[kind]


@st.composite
def _bodies(draw: st.DrawFn, node_id: str, kind: str, depth: int) -> JsonObject:
    nodes, edges = draw(graphs(depth=depth + 1, prefix=f"{node_id}x"))
    rounds = draw(st.integers(0, 3))
    if kind == "loop":
        return stories.a_loop(node_id, nodes, edges, while_=f"loop.index < {rounds}")
    config: dict[str, Any] = {
        "over": list(range(rounds)),
        "on_item_error": draw(st.sampled_from(["fail", "collect"])),
        "concurrency": draw(st.integers(1, 3)),
    }
    return stories.a_map(node_id, nodes, edges, **config)


@dataclass
class Life:
    """told: how often a worker was told of an attempt since the last retry of it."""

    run: Run
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    # Attempts without an intent are told again after a crash, for nobody knows that they were.
    may_repeat: set[tuple[str, int]] = field(default_factory=set)

    def advance(self) -> None:
        for attempt in stories.given(self.run, stories.advance()).answer:
            self.told[attempt.path, attempt.number] += 1
            if not attempt.has_intent:
                self.may_repeat.add((attempt.path, attempt.number))

    def crash(self) -> None:
        self.run.aggregate = self.run.rebuilt()
        stories.given(self.run, stories.interrupt())


def live(run: Run, data: st.DataObject) -> Life:
    """To an end or a rest that only somebody else could end, whatever happens on the way."""
    life = Life(run)
    for step in range(STEPS_MAX):
        life.advance()
        if run.aggregate.is_ended:
            if step > HAPPENINGS_MAX or not _somebody_takes_it_up(run, data):
                return life
            continue
        if step < HAPPENINGS_MAX:
            _happen(life, data)
        else:
            _go_on_quietly(run)
    message = f"this run does not end: {run.status} {run.aggregate.nodes}"
    raise AssertionError(message)


def _somebody_takes_it_up(run: Run, data: st.DataObject) -> bool:
    """Whether a run that has ended goes on, for somebody asked for that."""
    if data.draw(st.integers(0, 2)) == 0:
        return False
    act = stories.retry() if data.draw(st.booleans()) else stories.compensate()
    if run.status == "NEEDS_ATTENTION":
        path = next(iter([*run.aggregate.runs.doubted, *_failed_undoings(run), ""]))
        outcome = data.draw(st.sampled_from(["done", "retry", "skip"]))
        act = stories.resolve(path, outcome)
    return _is_done(run, act)


def _failed_undoings(run: Run) -> list[str]:
    return [
        path
        for path, node in run.aggregate.nodes.items()
        if path.endswith("/compensate") and node.status == "FAILED"
    ]


def _happen(life: Life, data: st.DataObject) -> None:
    run = life.run
    what = data.draw(st.integers(0, 19))
    commands: dict[int, Act] = {
        0: stories.pause(),
        1: stories.signal("news", "sent"),
        2: stories.cancel(),
        3: stories.cancel_and_undo(),
    }
    if what in commands:
        _is_done(run, commands[what])
    elif what in {4, 5}:
        life.crash()
    elif run.status == "PAUSED" and what < 10:
        stories.given(run, stories.resume())
    elif under_way(run):
        _end_an_attempt(run, data)
    elif what > 10 or run.wake_at is None:
        _go_on_quietly(run)
    else:
        run.now = max(run.now, run.wake_at)


def _end_an_attempt(run: Run, data: st.DataObject) -> None:
    path, attempt, node_type = data.draw(st.sampled_from(under_way(run)))
    if node_type == "sub_workflow" and data.draw(st.booleans()):
        stories.given(run, stories.begin_child(path, attempt=attempt))
        return
    acts = [
        stories.complete(path, attempt=attempt),
        stories.complete(path, attempt=attempt),
        stories.fail(path, attempt=attempt),
        stories.fail(path, "invalid", attempt=attempt, is_retryable=False),
    ]
    stories.given(run, data.draw(st.sampled_from(acts)))


def _go_on_quietly(run: Run) -> None:
    if run.status == "PAUSED":
        stories.given(run, stories.resume())
        return
    ending = under_way(run)
    for path, attempt, _ in ending:
        stories.given(run, stories.complete(path, attempt=attempt))
    if ending or answered(run):
        return
    wake_at = run.wake_at
    assert wake_at is not None or run.aggregate.live.changed, "nothing is waited for"
    run.now = max(run.now, wake_at or run.now)


def _is_done(run: Run, act: Act) -> bool:
    def tried(story: Run) -> bool:
        try:
            act(story)
        except DomainError:
            return False
        return True

    return bool(stories.given(run, tried).answer)
