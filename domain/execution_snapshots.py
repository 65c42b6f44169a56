"""The recorded state of an execution as one JSON value, so that a long run need not be read from
its first event.

A snapshot is no fact: whoever finds one of another version reads the events. SNAPSHOT_VERSION grows
with every change of what a run remembers, or of what its events make of that.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from domain.execution_frames import Live
from domain.execution_parts import Child, Undoing
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.node_runs import Body, Frame, KeptCompensation, NodeRun, NodeRuns
from domain.node_types import Iterations
from domain.payloads import payload_bytes
from domain.run_times import RunTime
from domain.signals import PendingSignals

SNAPSHOT_VERSION = 7

# What is JSON already.
PLAIN = (
    *("workflow_id", "workflow_version", "agent_id", "definition_hash", "input", "created_by"),
    *("parent_id", "parent_path", "depth", "is_fork", "status", "output", "error", "has_payloads"),
    *("is_erased", "data_subject", "is_budgeted"),
)


def snapshot_of(execution: Execution) -> JsonObject:
    """Whatever its events so far made of it. Shares values with it: encode it before it goes on."""
    return {
        **{name: getattr(execution, name) for name in PLAIN},
        "id": str(execution.id),
        "version": execution.version,
        "created_on": execution.created_on.isoformat(),
        "modified_on": execution.modified_on.isoformat(),
        "subject_id": None if execution.subject_id is None else str(execution.subject_id),
        "started_at": _text(execution.started_at),
        "run_time": {**asdict(execution.run_time), "since": _text(execution.run_time.since)},
        "execution_root": execution.roots["execution"],
        "runs": _runs(execution.runs),
        "signals": _signals(execution.signals),
        "children": {
            child_id: [child.path, child.policy] for child_id, child in execution.children.items()
        },
        "undoing": None if execution.undoing is None else asdict(execution.undoing),
        "unresolved": [
            [*key, node_type, since.isoformat()]
            for key, (node_type, since) in execution.unresolved.items()
        ],
    }


def execution_from(snapshot: JsonObject) -> Execution:
    """The execution as of that version; it owns the values."""
    state = cast("Any", snapshot)
    execution = object.__new__(Execution)
    vars(execution).update(
        {
            "_id": UUID(state["id"]),
            "_version": state["version"],
            "_created_on": datetime.fromisoformat(state["created_on"]),
            "_modified_on": datetime.fromisoformat(state["modified_on"]),
            "_pending_events": [],
            **{name: state[name] for name in PLAIN},
            "subject_id": None if state["subject_id"] is None else UUID(state["subject_id"]),
            "started_at": _instant(state["started_at"]),
            "run_time": _run_time_from(state["run_time"]),
            "runs": _runs_from(state["runs"]),
            "signals": _signals_from(state["signals"]),
            "children": {key: Child(*child) for key, child in state["children"].items()},
            "undoing": None if state["undoing"] is None else Undoing(**state["undoing"]),
            "unresolved": {
                (path, attempt): (node_type, datetime.fromisoformat(since))
                for path, attempt, node_type, since in state["unresolved"]
            },
            "roots": {"input": state["input"], "execution": state["execution_root"]},
        }
    )
    execution.live = Live()
    execution.webhook_path = None
    return execution


def _run_time_from(state: Any) -> RunTime:
    return RunTime(**cast("Any", {**state, "since": _instant(state["since"])}))


def _runs(runs: NodeRuns) -> JsonObject:
    return {
        "by_path": {path: _run(run) for path, run in runs.by_path.items()},
        "running": {**runs.running},
        "waiting": {path: _text(until) for path, until in runs.waiting.items()},
        "doubted": [*runs.doubted],
        "bodies": {path: _body(body) for path, body in runs.bodies.items()},
        "frames": {
            prefix: {
                "decided": [*frame.decided],
                "visible": {**frame.visible},
                "paths": [*frame.paths],
            }
            for prefix, frame in runs.frames.items()
        },
        "kept": [[kept.path, kept.request, kept.problem] for kept in runs.kept.values()],
    }


def _runs_from(state: Any) -> NodeRuns:
    runs = NodeRuns()
    runs.by_path = {path: _run_from(run) for path, run in state["by_path"].items()}
    runs.running = state["running"]
    runs.waiting = {path: _instant(until) for path, until in state["waiting"].items()}
    runs.doubted = dict.fromkeys(state["doubted"])
    runs.bodies = {path: _body_from(body) for path, body in state["bodies"].items()}
    runs.frames = {
        prefix: Frame(frame["decided"], frame["visible"], dict.fromkeys(frame["paths"]))
        for prefix, frame in state["frames"].items()
    }
    runs.kept = {kept[0]: KeptCompensation(*kept) for kept in state["kept"]}
    return runs


def _run(run: NodeRun) -> JsonObject:
    return {
        "status": run.status,
        "node_type": run.node_type,
        "attempt": run.attempt,
        "output": run.output,
        "ports": [*run.ports],
        "error": run.error,
        "idempotency_key": run.idempotency_key,
        "unknown_outcomes": run.unknown_outcomes,
        "attempts_before": run.attempts_before,
        "begun_at": _text(run.begun_at),
        "awaited": run.awaited,
        "answer": run.answer,
        "is_unanswered": run.is_unanswered,
    }


def _run_from(state: Any) -> NodeRun:
    decoded = {"ports": tuple(state["ports"]), "begun_at": _instant(state["begun_at"])}
    return NodeRun(**cast("Any", {**state, **decoded}))


def _body(body: Body) -> JsonObject:
    """Indexes are no keys of JSON."""
    known = body.known
    return {
        "keeps_results": body.keeps_results,
        "ended": known.ended,
        "last": known.last,
        "results": [[index, result] for index, result in known.results.items()],
        "errors": [[index, error] for index, error in known.errors.items()],
    }


def _body_from(state: Any) -> Body:
    results = {index: result for index, result in state["results"]}  # noqa: C416 # pairs are lists
    errors = {index: error for index, error in state["errors"]}  # noqa: C416 # as above
    known = Iterations(
        ended=state["ended"],
        last=state["last"],
        results=results,
        errors=errors,
        bytes=sum(payload_bytes(one) for one in (*results.values(), *errors.values())),
    )
    return Body(state["keeps_results"], known)


def _signals(signals: PendingSignals) -> JsonObject:
    return {
        name: [signal.payload for signal in waiting] for name, waiting in signals.by_name.items()
    }


def _signals_from(by_name: dict[str, list[Json]]) -> PendingSignals:
    signals = PendingSignals()
    for name, payloads in by_name.items():
        for payload in payloads:
            signals.keep(name, payload)
    return signals


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
