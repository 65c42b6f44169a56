"""Stories about aggregates: given a history, when one thing is done, then this is recorded.

Events are compared whole, as (topic, fields). After every story the aggregate is rebuilt from its
stored events and must equal the one that lived through it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import pytest

from domain import execution_commands as commands
from domain import execution_outcomes as outcomes
from domain.aggregates import Aggregate
from domain.attempts import Attempt, Failure
from domain.definitions import Definition, parse_definition
from domain.execution_steps import advance as take_step
from domain.execution_steps import next_wake_at
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.signals import webhook_signal
from infra.event_codec import mapper
from tests.domain.facts import EXECUTION_ID, USAGE, Fact, fact_of

ENDS = ("execution.completed", "execution.failed", "execution.cancelled")
# Every run that the test at hand told of; conftest.py looks at them when it is over.
LIVED: "list[Run]" = []
# The story that is being told: its clock is the clock of the events.
TOLD: "list[Story[Any]]" = []

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHILD_ID = UUID("01890000-0000-7000-8000-000000000002")

Told = TypeVar("Told", bound=Aggregate)


@dataclass
class Story(Generic[Told]):
    """answer: what the last act returned. stored: the events so far. recorded: by the last act."""

    aggregate: Told
    stored: list[Any] = field(default_factory=list)
    answer: Any = None
    recorded: list[Fact] = field(default_factory=list)

    def when(self, act: "Callable[[Any], object]") -> Self:
        TOLD[:] = [self]
        self._store()
        self.recorded = []
        self.answer = act(self)
        self._store()
        return self

    def then(self, *facts: Fact) -> Self:
        assert self.recorded == list(facts)
        self.then_it_replays()
        return self

    def then_topics(self, *topics: str) -> Self:
        assert [topic for topic, _ in self.recorded] == list(topics)
        self.then_it_replays()
        return self

    def then_it_replays(self) -> None:
        assert self.rebuilt() == self.aggregate

    def rebuilt(self) -> Any:
        """From the bytes that are stored, so whatever is not JSON is found here."""
        aggregate: Any = None
        for stored_event in self.stored:
            event: Any = mapper.to_domain_event(stored_event)
            aggregate = event.mutate(aggregate)
        return aggregate

    def _store(self) -> None:
        for event in self.aggregate.collect_events():
            self.stored.append(mapper.to_stored_event(event))
            self.recorded.append(fact_of(event))


@dataclass
class Run(Story[Execution]):
    """A story of an execution. now: moved by acts that say when they happen. attempts_seen: kept by
    tests that answer from what was asked.
    """

    definition: Definition = field(kw_only=True)
    now: datetime = NOON
    attempts_seen: dict[tuple[str, int], Attempt] = field(default_factory=dict)

    @property
    def attempts(self) -> list[tuple[str, int]]:
        return [(attempt.path, attempt.number) for attempt in self.answer]

    @property
    def wake_at(self) -> datetime | None:
        return next_wake_at(self.aggregate, self.definition)

    @property
    def status(self) -> str:
        return self.aggregate.status

    @property
    def topics(self) -> list[str]:
        """What the last act recorded, without the aggregate's name."""
        return [topic.removeprefix("execution.") for topic, _ in self.recorded]

    def output_of(self, path: str) -> Any:
        return self.aggregate.nodes[path].output

    @property
    def running(self) -> list[str]:
        return [path for path, _ in self.aggregate.running_attempts()]


Act = Callable[[Any], object]


def event_time() -> datetime:
    return getattr(TOLD[0], "now", NOON) if TOLD else NOON


def given(story: Any, *acts: Act) -> Any:
    for act in acts:
        story.when(act)
    return story


def raises(kind: type[Exception], act: Act) -> Act:
    """An act that is refused."""

    def refused(story: Any) -> Exception:
        with pytest.raises(kind) as refusal:
            act(story)
        return refusal.value

    return refused


def a_run(
    nodes: Sequence[JsonObject], edges: Sequence[str], given_input: Json = None, **fields: Any
) -> Run:
    """A created execution; see a_definition."""
    return a_run_of(a_definition(nodes, edges, **fields), given_input)


def a_run_of(definition: Definition, given_input: Json = None) -> Run:
    run = Run(an_execution(EXECUTION_ID, definition.hash, given_input), definition=definition)
    LIVED.append(run)
    return run


def an_execution(execution_id: UUID, definition_hash: str, given_input: Json) -> Execution:
    return Execution(
        id=execution_id,
        workflow_id=None,
        workflow_version=None,
        agent_id=None,
        definition_hash=definition_hash,
        input=given_input,
        created_by="user:ada",
        parent_id=None,
        parent_path=None,
        depth=0,
        forked_from_id=None,
        forked_from_node=None,
        subject_id=None,
        data_subject=None,
    )


def a_definition(nodes: Sequence[JsonObject], edges: Sequence[str], **fields: Any) -> Definition:
    """See a_graph. fields: timeout_s, on_error."""
    return parse_definition({**a_graph(nodes, edges), **fields})


def a_graph(nodes: Sequence[JsonObject], edges: Sequence[str]) -> JsonObject:
    """nodes: without start and end, which are added. edges: `a -> b`, or `a -port-> b`."""
    types = [node["type"] for node in nodes]
    added = [{"id": kind, "type": kind} for kind in ("start", "end") if kind not in types]
    graph: Any = {"nodes": [*added, *nodes], "edges": [an_edge(edge) for edge in edges]}
    return graph


def an_edge(text: str) -> JsonObject:
    source, arrow, target = text.split()
    port = arrow.removesuffix(">").strip("-")
    edge: JsonObject = {"from": source, "to": target}
    return {**edge, "port": port} if port else edge


def an_llm(node_id: str, **fields: Any) -> JsonObject:
    config: JsonObject = {"model": "offline/echo", "prompt": "Hello"}
    return {"id": node_id, "type": "llm", "config": config, **fields}


def a_condition(node_id: str, expression: str) -> JsonObject:
    return {"id": node_id, "type": "condition", "config": {"expression": expression}}


def a_set(node_id: str, **fields: Any) -> JsonObject:
    return {"id": node_id, "type": "set", "config": {"values": {"by": node_id}}, **fields}


def a_node(
    kind: str, node_id: str, *, beside: JsonObject | None = None, **config: Any
) -> JsonObject:
    """Of any type. beside: the fields that every node may have."""
    return {"id": node_id, "type": kind, "config": config, **(beside or {})}


def a_loop(
    node_id: str,
    nodes: Sequence[JsonObject],
    edges: Sequence[str],
    *,
    beside: JsonObject | None = None,
    **config: Any,
) -> JsonObject:
    """See a_graph for its body. `while_` and `until` are the config's."""
    config = {key.rstrip("_"): value for key, value in config.items()}
    return a_node("loop", node_id, beside=beside, body=a_graph(nodes, edges), **config)


def a_map(
    node_id: str,
    nodes: Sequence[JsonObject],
    edges: Sequence[str],
    *,
    beside: JsonObject | None = None,
    **config: Any,
) -> JsonObject:
    config = {"over": "input", **config}
    return a_node("map", node_id, beside=beside, body=a_graph(nodes, edges), **config)


def an_effect(node_id: str, **fields: Any) -> JsonObject:
    """What says how it is undone."""
    undo: JsonObject = {"type": "llm", "config": {"model": "offline/echo", "prompt": "Undo"}}
    return an_llm(node_id, **{"compensate": undo, **fields})


def advance(after_s: float = 0.0) -> Act:
    """after_s: how much time has passed since the last act."""

    def act(run: Run) -> list[Attempt]:
        run.now += timedelta(seconds=after_s)
        return take_step(run.aggregate, run.definition, now=run.now)

    return act


def complete(path: str, output: Json = "done", *, attempt: int = 1) -> Act:
    return lambda run: outcomes.complete_node(run.aggregate, path, attempt, output, usage=USAGE)


def fail(path: str, code: str = "rate_limited", *, attempt: int = 1, **fields: Any) -> Act:
    failure = Failure(**{"code": code, "message": "no", "is_retryable": True, **fields})
    return lambda run: outcomes.fail_node(
        run.aggregate, run.definition, path, attempt, failure=failure, now=run.now
    )


def interrupt(*except_for: tuple[str, int]) -> Act:
    return lambda run: outcomes.interrupt(
        run.aggregate, run.definition, now=run.now, except_for=except_for
    )


def cancel(reason: str | None = None) -> Act:
    return lambda run: commands.cancel(run.aggregate, reason)


def cancel_and_undo(reason: str | None = None) -> Act:
    return lambda run: commands.cancel_and_undo(run.aggregate, run.definition, reason)


def compensate() -> Act:
    return lambda run: commands.compensate(run.aggregate, run.definition)


def pause() -> Act:
    return lambda run: commands.pause(run.aggregate)


def resume() -> Act:
    return lambda run: commands.resume(run.aggregate)


def retry() -> Act:
    return lambda run: commands.retry(run.aggregate, run.definition)


def resolve(node_id: str, outcome: Any, output: Json = None) -> Act:
    return lambda run: commands.resolve(run.aggregate, node_id, outcome, output)


def signal(name: str, payload: Json = None) -> Act:
    return lambda run: commands.signal(run.aggregate, name, payload)


def webhook(name: str, body: Json = None) -> Act:
    """What a stranger posted."""
    request: JsonObject = {"method": "POST", "query": {}, "headers": {}, "body": body}
    return lambda run: commands.signal(run.aggregate, webhook_signal(name), request)


def decide(
    path: str,
    decision: Any = "approve",
    *,
    edits: Json = None,
    by: str = "user:ada",
) -> Act:
    """As the command does it: look whether it may be decided, and decide."""

    def act(run: Run) -> Json:
        form = commands.awaited_approval(run.aggregate, path, frozenset({by}))
        commands.decide_approval(
            run.aggregate, path, decision, comment=None, edits=edits, decided_by=by
        )
        return form

    return act


def begin_child(path: str, *, attempt: int = 1, is_awaited: bool = True) -> Act:
    return lambda run: outcomes.start_child(
        run.aggregate, path, attempt, CHILD_ID, is_awaited=is_awaited, on_parent_close="cancel"
    )


def end_child(output: Json = None, *, fails: bool = False, child_id: UUID | None = None) -> Act:
    def act(run: Run) -> None:
        child = an_execution(child_id or CHILD_ID, run.definition.hash, None)
        if fails:
            child.trigger_event(
                Execution.Failed, path="x", attempt=1, code="bad", message="no", stopped_paths=[]
            )
        else:
            child.trigger_event(Execution.Completed, output=output)
        outcomes.child_ended(run.aggregate, child)

    return act
