"""Whatever people and workers do to a run: after each of its events, the read models say of it what
the aggregate is.
"""

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import execution_commands as commands
from domain import execution_outcomes as outcomes
from domain.attempts import Attempt
from domain.errors import DomainError
from domain.execution_status import ENDED
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.node_runs import COMPENSATE, is_compensation
from infra.event_codec import mapper
from projections.executions import EXECUTIONS
from projections.fold import Fold, read_fact
from projections.node_runs import NODE_RUNS
from tests.domain import given as stories
from tests.domain.given import EXECUTION_ID, Run, an_llm
from tests.domain.test_execution_properties import graphs
from tests.effort import EFFORT
from tests.projections.histories import Stream, a_tenant

HAPPENINGS_MAX = 80
RESOLUTIONS: list[commands.Resolution] = ["done", "retry", "skip"]
BODY: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        an_llm(
            "draft", compensate={"type": "llm", "config": {"model": "offline/echo", "prompt": "-"}}
        ),
        {"id": "end", "type": "end"},
    ],
    "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
}
# In the place of a node that sets values. Ports: of the edges that leave it.
KINDS: dict[str, tuple[JsonObject, str]] = {
    "delay": ({"duration_s": 60}, "->"),
    "signal": ({"name": "paid", "timeout_s": 600}, "->"),
    "webhook": ({"timeout_s": 600}, "->"),
    "approval": ({"title": "Well?", "deadline_s": 900}, "-approved->"),
    "sub_workflow": ({"workflow_id": str(UUID(int=7))}, "->"),
    "map": ({"over": "[1, 2]", "body": BODY}, "->"),
    "loop": ({"while": "loop.index < 2", "max_iterations": 5, "body": BODY}, "->"),
}

Happening = Callable[[Run, st.DataObject], object]


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Graphs of every kind of node, some of which say how they are undone."""
    nodes, edges = draw(graphs())
    for number, node in enumerate(nodes):
        if node["type"] == "set":
            kind = draw(st.sampled_from(["set", *KINDS]))
            if kind != "set":
                config, port = KINDS[kind]
                nodes[number] = {**node, "type": kind, "config": config}
                edges = [
                    edge.replace(f"{node['id']} -> ", f"{node['id']} {port} ") for edge in edges
                ]
        if node["type"] == "llm":
            nodes[number] = {**node, **_of_effect(draw)}
    return stories.a_run(nodes, edges, {"question": "Why?"})


def _of_effect(draw: st.DrawFn) -> JsonObject:
    fields: JsonObject = {"on_unknown": draw(st.sampled_from(["retry", "fail", "ask", "ask"]))}
    if draw(st.booleans()):
        config: JsonObject = {"model": "offline/echo", "prompt": "Undo"}
        fields["compensate"] = {"type": "llm", "config": config}
    elif draw(st.booleans()):
        fields["repeatable"] = True
        fields["on_unknown"] = "retry"
    return fields


def _attempt_ends(run: Run, data: st.DataObject) -> object:
    under_way = [
        *run.aggregate.running_attempts(),
        *((one.path, one.number) for one in run.aggregate.live.in_flight.values()),
    ]
    if not under_way:
        return None
    path, attempt = data.draw(st.sampled_from(under_way))
    if data.draw(st.integers(0, 7)):
        return stories.complete(path, attempt=attempt)(run)
    is_retryable = data.draw(st.booleans())
    return stories.fail(path, attempt=attempt, is_retryable=is_retryable)(run)


def _child(run: Run, data: st.DataObject) -> object:
    """Begins, or ends."""
    children = [*run.aggregate.children]
    if children and data.draw(st.booleans()):
        child = Execution(
            id=UUID(data.draw(st.sampled_from(children))),
            workflow_id=None,
            workflow_version=None,
            agent_id=None,
            definition_hash="cafe",
            input=None,
            created_by="user:ada",
            parent_id=None,
            parent_path=None,
            depth=0,
            forked_from_id=None,
            forked_from_node=None,
            subject_id=None,
            data_subject=None,
        )
        commands.cancel(child, None)
        return outcomes.child_ended(run.aggregate, child)
    wanted = [
        one for one in run.aggregate.live.in_flight.values() if one.node_type == "sub_workflow"
    ]
    return _start_child(run, data.draw(st.sampled_from(wanted)), data) if wanted else None


def _start_child(run: Run, attempt: Attempt, data: st.DataObject) -> bool:
    return outcomes.start_child(
        run.aggregate,
        attempt.path,
        attempt.number,
        UUID(int=1000 + run.aggregate.version),
        is_awaited=data.draw(st.booleans()),
        on_parent_close="cancel",
    )


def _time_passes(run: Run, data: st.DataObject) -> None:
    wake_at = run.wake_at
    if wake_at is not None and data.draw(st.booleans()):
        run.now = max(run.now, wake_at)


def _is_decided(run: Run, data: st.DataObject) -> object:
    waiting = [path for path, one in run.aggregate.nodes.items() if one.node_type == "approval"]
    if not waiting:
        return None
    path = data.draw(st.sampled_from(waiting))
    commands.awaited_approval(run.aggregate, path, frozenset())
    return commands.decide_approval(
        run.aggregate, path, "approve", comment=None, edits=None, decided_by="user:ada"
    )


def _is_resolved(run: Run, data: st.DataObject) -> object:
    unclear = [
        *run.aggregate.runs.doubted,
        *(path for path, one in run.aggregate.nodes.items() if one.status == "FAILED"),
    ]
    if not unclear:
        return None
    outcome = data.draw(st.sampled_from(RESOLUTIONS))
    return commands.resolve(run.aggregate, data.draw(st.sampled_from(unclear)), outcome, None)


HAPPENINGS: list[Happening] = [
    *[_attempt_ends] * 8,
    _child,
    _child,
    _time_passes,
    _is_decided,
    _is_resolved,
    _is_resolved,
    *[lambda run, _: stories.interrupt()(run)] * 3,
    lambda run, _: commands.signal(run.aggregate, "paid", {"amount": 1}),
    lambda run, _: commands.pause(run.aggregate),
    lambda run, _: commands.resume(run.aggregate),
    lambda run, _: commands.resume(run.aggregate),
    lambda run, _: commands.cancel(run.aggregate, "no more"),
    lambda run, _: commands.cancel_and_undo(run.aggregate, run.definition, "undo it"),
    lambda run, _: commands.retry(run.aggregate, run.definition),
    lambda run, _: commands.compensate(run.aggregate, run.definition),
]


def _live(run: Run, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(HAPPENINGS_MAX // 4, HAPPENINGS_MAX))):
        happening = data.draw(st.sampled_from(HAPPENINGS))
        if data.draw(st.integers(0, 9)):
            stories.given(run, stories.advance())
        with contextlib.suppress(DomainError):
            stories.given(run, lambda story, act=happening: act(story, data))
        if not data.draw(st.integers(0, 9)):
            run.aggregate = run.rebuilt()
    stories.given(run, stories.advance())


@settings(
    max_examples=50 * EFFORT,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(run=runs(), data=st.data())
def test_after_every_event_the_rows_say_what_the_run_is(run: Run, data: st.DataObject) -> None:
    stories.given(run, lambda _: None)
    _live(run, data)
    executions, nodes = Fold(EXECUTIONS), Fold(NODE_RUNS)
    stream = Stream(Execution, a_tenant(), stream_id=EXECUTION_ID)
    aggregate = None
    for stored in run.stored:
        event = stream.logs(stored.topic, stored.state).events[-1]
        fact: Any = mapper.to_domain_event(stored)
        aggregate = fact.mutate(aggregate)
        for fold in (executions, nodes):
            fold.take(event, read_fact(event))
            assert not fold.parked, (event, fold.parked)
        _require_row_of(aggregate, executions)
    _require_node_rows_of(run.aggregate, nodes)


def _require_row_of(aggregate: Execution, fold: Fold) -> None:
    (row,) = fold.rows.values()
    said = {name: row[name] for name in ("status", "version", "definition_hash", "is_undone")}
    assert said == {
        "status": aggregate.status,
        "version": aggregate.version,
        "definition_hash": aggregate.definition_hash,
        "is_undone": aggregate.undoing is not None,
    }
    assert _json(row["output"]) == aggregate.output
    assert _json(row["error"]) == _without_place(aggregate.error)
    assert (row["completed_at"] is not None) is (aggregate.status in ENDED)
    assert (row["attention"] is not None) is (aggregate.status == "NEEDS_ATTENTION")
    if row["wake_at"] is not None:
        assert aggregate.status == "WAITING"


def _require_node_rows_of(aggregate: Execution, fold: Fold) -> None:
    """Of iterations that have ended there are more rows than the aggregate knows nodes."""
    rows = {str(row["path"]): row for row in fold.rows.values()}
    for path, node in aggregate.nodes.items():
        row = rows[path]
        undoing = aggregate.nodes.get(f"{path}/{COMPENSATE}")
        if undoing is not None and undoing.status == "COMPLETED":
            assert row["status"] == "COMPENSATED"
        elif row["status"] != node.status:
            # The aggregate of a run that ended or is being undone leaves them where they were.
            assert (row["status"], aggregate.status != "RUNNING") == ("CANCELLED", True), path
            assert node.status in {"RUNNING", "WAITING"}, path
        assert (row["type"] or "", row["attempt"]) == (node.node_type, node.attempt), path
        if node.status == "COMPLETED":
            assert _json(row["output"]) == node.output
        is_over = row["status"] in {"COMPLETED", "FAILED", "CANCELLED"}
        assert is_over is (row["completed_at"] is not None) or row["status"] == "COMPENSATED", path
        if path in aggregate.runs.bodies and row["status"] == "RUNNING":
            assert row["iterations"] == aggregate.runs.bodies[path].known.ended
        if row["wake_at"] is not None:
            assert row["status"] == "WAITING"
            assert aggregate.runs.waiting.get(path) is not None or aggregate.is_ended
    assert {path for path in rows if is_compensation(path)} >= {
        path for path in aggregate.nodes if is_compensation(path)
    }


def _json(text: object) -> Json:
    return None if text is None else orjson.loads(str(text))


def _without_place(error: JsonObject | None) -> JsonObject | None:
    if error is None or error.get("path") is not None:
        return error
    return {"code": error["code"], "message": error["message"]}
