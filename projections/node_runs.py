"""node_runs: each node of each run, over all its attempts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from typing_extensions import TypedDict

from domain.execution_usage import costs_unknown_by
from domain.executions import Execution
from domain.node_runs import COMPENSATE, id_of, is_compensation, undone_by
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    json_text,
    present,
    uuid_or_none,
)

MILLISECOND = timedelta(milliseconds=1)


class Ending(TypedDict):
    status: Text
    started_at: Instant | None
    wake_at: Instant | None
    completed_at: Instant | None
    duration_ms: BigInt | None
    asked_at: Instant | None


class Usage(TypedDict):
    type: Text | None
    attempt: Integer
    model: Text | None
    cost_usd_pico: BigInt
    unpriced: Integer
    tokens_in: BigInt
    tokens_out: BigInt


class NodeRunRow(Ending, Usage):
    """ordinal: the version of its first event, so the order in which nodes began.

    type: None for a skipped node, whose event does not say it. attempt: the newest; 0 if skipped or
    copied. status WAITING: for its next attempt, a time, a signal, a decision, a child, or somebody
    to say what it did. started_at: of the first attempt, so duration_ms includes the waits between
    attempts. wake_at: when its wait ends by itself. input: of the newest attempt, or what it waits
    for. error: of the last failed attempt, until one succeeds. child_id: the run that it started.
    iterations: of its body that have ended; None without a body. is_copied: done by the run that
    this one was forked from. Tokens and cost: of all attempts.
    unpriced: those of which nobody knows the cost, or not yet.
    asked_at: since when an approval waits for a decision; None once there is one, or none is wanted
    any more. assignees: who was asked, by the names of actors; None where nobody in particular was.

    What undoes a node has a row of its own; the row of the node is COMPENSATED once that is done.
    """

    tenant_id: Uuid
    execution_id: Uuid
    path: Text
    ordinal: BigInt
    node_id: Text
    input: JsonText | None
    output: JsonText | None
    error: JsonText | None
    child_id: Uuid | None
    iterations: Integer | None
    is_copied: Boolean
    assignees: Texts | None


def keys(event: Decoded) -> Sequence[Key]:
    return [(event.logged.tenant_id, event.logged.stream_id, path) for path in _paths(event)]


def _paths(event: Decoded) -> Sequence[str]:
    match event.fact:
        case (
            Execution.NodeStarted()
            | Execution.NodeFailed()
            | Execution.NodeDoubted()
            | Execution.UsageUnresolved()
            | Execution.UsageResolved()
            | Execution.NodeOpened()
            | Execution.IterationEnded()
            | Execution.NodeSuspended()
            | Execution.ApprovalDecided()
            | Execution.ChildStarted()
            | Execution.NodeCopied()
        ) as fact:
            return (fact.path,)
        case Execution.NodeCompleted() as fact:
            return _with_undone(fact.path)
        case Execution.Resolved() as fact:
            return (fact.path,) if fact.outcome == "retry" else _with_undone(fact.path)
        case Execution.NodesSkipped() | Execution.Retried() as fact:
            return fact.paths
        case Execution.CompensationStarted() | Execution.Failed() | Execution.Cancelled() as fact:
            return fact.stopped_paths
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _with_undone(path: str) -> Sequence[str]:
    return (path, undone_by(path)) if is_compensation(path) else (path,)


def evolve(  # noqa: PLR0911 # one answer per kind of event
    row: NodeRunRow | None, event: Decoded, key: Key
) -> NodeRunRow:
    match event.fact:
        case Execution.NodeCompleted() | Execution.Resolved() as fact if fact.path != key[2]:
            return {**present(row), "status": "COMPENSATED"}
        case Execution.NodesSkipped():
            return {**_first(event, key), "status": "SKIPPED"}
        case Execution.CompensationStarted() | Execution.Failed() | Execution.Cancelled():
            before = present(row)
            # Of two stops, the first was it.
            is_over = before["completed_at"] is not None
            return before if is_over else {**before, **_ending(before, event, "CANCELLED")}
        case Execution.Retried():
            return _reopened(present(row))
        case Execution.Resolved() as fact:
            return _resolved(present(row), event, fact)
        case Execution.UsageUnresolved() as fact:
            # Of an attempt without an intent it is the first event.
            before = row or _first(event, key)
            return {**before, "unpriced": before["unpriced"] + costs_unknown_by(fact)}
        case Execution.UsageResolved() as fact:
            before = present(row)
            return {**before, **_usage(before, fact), "attempt": before["attempt"]}
        case Execution.IterationEnded():
            before = present(row)
            return {**before, "iterations": (before["iterations"] or 0) + 1}
        case _:
            return _of_node(row or _first(event, key), event)


def _of_node(before: NodeRunRow, event: Decoded) -> NodeRunRow:  # noqa: C901, PLR0911 # one answer per kind of event
    """What the events about one node make of it, the first among them too."""
    match event.fact:
        case Execution.NodeStarted() as fact:
            begun = _begun(before, event, fact, "RUNNING")
            return {**begun, "input": json_text(fact.request)}
        case Execution.NodeCompleted() as fact:
            output = json_text(fact.output)
            usage, ending = _usage(before, fact), _ending(before, event, "COMPLETED")
            return {**before, **usage, **ending, "output": output, "error": None}
        case Execution.NodeFailed() as fact:
            failed: NodeRunRow = {**before, **_usage(before, fact), "error": _error(fact)}
            if fact.retry_at is None:
                return {**failed, **_ending(before, event, "FAILED")}
            started_at = before["started_at"] or event.logged.recorded_at
            waiting = _waiting(failed, instant_or_none(fact.retry_at))
            return {**waiting, "started_at": started_at}
        case Execution.NodeDoubted() as fact:
            return {**_waiting(before, None), "attempt": fact.attempt, "error": _error(fact)}
        case Execution.NodeOpened():
            begun = _begun(before, event, event.fact, "RUNNING")
            return {**begun, "iterations": 0}
        case Execution.NodeSuspended() as fact:
            return _suspended(_begun(before, event, fact, "WAITING"), event, fact)
        case Execution.ApprovalDecided():
            return {**before, "asked_at": None}
        case Execution.ChildStarted() as fact:
            begun = _begun(before, event, fact, "WAITING" if fact.is_awaited else "RUNNING")
            return {**begun, "child_id": uuid_or_none(fact.child_id)}
        case Execution.NodeCopied() as fact:
            ending = _ending(before, event, "COMPLETED")
            output = json_text(fact.output)
            copied: NodeRunRow = {**before, **ending, "output": output, "is_copied": True}
            return {**copied, "type": fact.node_type}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _begun(
    before: NodeRunRow,
    event: Decoded,
    fact: Execution.NodeStarted
    | Execution.NodeOpened
    | Execution.NodeSuspended
    | Execution.ChildStarted,
    status: Literal["RUNNING", "WAITING"],
) -> NodeRunRow:
    """A body counts no attempts: it has one."""
    return {
        **before,
        "type": fact.node_type,
        "status": status,
        "attempt": 1 if isinstance(fact, Execution.NodeOpened) else fact.attempt,
        "started_at": before["started_at"] or event.logged.recorded_at,
        "wake_at": None,
    }


def _suspended(row: NodeRunRow, event: Decoded, fact: Execution.NodeSuspended) -> NodeRunRow:
    waiting: NodeRunRow = {
        **row,
        "input": json_text(fact.request),
        "wake_at": instant_or_none(fact.until),
    }
    if fact.node_type != "approval":
        return waiting
    assignees = fact.request.get("assignees")
    names = [str(one) for one in assignees] if isinstance(assignees, list) else []
    return {**waiting, "asked_at": event.logged.recorded_at, "assignees": names or None}


def _waiting(row: NodeRunRow, wake_at: datetime | None) -> NodeRunRow:
    return {
        **row,
        "status": "WAITING",
        "wake_at": wake_at,
        "completed_at": None,
        "duration_ms": None,
        "asked_at": None,
    }


def _reopened(row: NodeRunRow) -> NodeRunRow:
    """To be done again; a body goes on where it was, and what went wrong in it is forgotten."""
    if row["iterations"] is not None:
        return {**_waiting(row, None), "status": "RUNNING", "error": None}
    return {**_waiting(row, None), "status": "PENDING"}


def _resolved(row: NodeRunRow, event: Decoded, fact: Execution.Resolved) -> NodeRunRow:
    if fact.outcome == "retry":
        return _waiting(row, event.logged.recorded_at)
    ending = _ending(row, event, "COMPLETED")
    return {**row, **ending, "output": json_text(fact.output), "error": None}


def _first(event: Decoded, key: Key) -> NodeRunRow:
    """A node of which nothing was heard before this event."""
    path = str(key[2])
    return {
        "tenant_id": event.logged.tenant_id,
        "execution_id": event.logged.stream_id,
        "path": path,
        "ordinal": event.logged.version,
        "node_id": _node_id(path),
        "type": None,
        "status": "PENDING",
        "attempt": 0,
        "started_at": None,
        "wake_at": None,
        "completed_at": None,
        "duration_ms": None,
        "asked_at": None,
        "input": None,
        "output": None,
        "error": None,
        "child_id": None,
        "iterations": None,
        "is_copied": False,
        "assignees": None,
        "model": None,
        "cost_usd_pico": 0,
        "unpriced": 0,
        "tokens_in": 0,
        "tokens_out": 0,
    }


def _node_id(path: str) -> str:
    """`map[3]/draft` is the node draft inside the body of map; what undoes it is
    `draft/compensate`.
    """
    return f"{id_of(undone_by(path))}/{COMPENSATE}" if is_compensation(path) else id_of(path)


def _ending(row: NodeRunRow, event: Decoded, status: str) -> Ending:
    """A node without a start did its work in the very moment of this event."""
    completed_at = event.logged.recorded_at
    started_at = row["started_at"] or completed_at
    return {
        "status": status,
        "started_at": started_at,
        "wake_at": None,
        "completed_at": completed_at,
        "duration_ms": (completed_at - started_at) // MILLISECOND,
        "asked_at": None,
    }


def _error(fact: Execution.NodeFailed | Execution.NodeDoubted) -> str:
    return json_text({"code": fact.code, "message": fact.message, "attempt": fact.attempt})


def _usage(
    row: NodeRunRow,
    fact: Execution.NodeCompleted | Execution.NodeFailed | Execution.UsageResolved,
) -> Usage:
    return {
        "type": fact.node_type,
        "attempt": fact.attempt,
        "model": fact.model or row["model"],
        "cost_usd_pico": row["cost_usd_pico"] + (fact.cost_usd_pico or 0),
        "unpriced": row["unpriced"] + costs_unknown_by(fact),
        "tokens_in": row["tokens_in"] + fact.tokens_in,
        "tokens_out": row["tokens_out"] + fact.tokens_out,
    }


NODE_RUNS = Projection(
    name="node_runs",
    version=4,
    row=NodeRunRow,
    key=("tenant_id", "execution_id", "path"),
    stream_column="execution_id",
    aggregate=Execution,
    events=(
        Execution.NodeStarted,
        Execution.NodeCompleted,
        Execution.NodeFailed,
        Execution.NodeDoubted,
        Execution.UsageUnresolved,
        Execution.UsageResolved,
        Execution.NodesSkipped,
        Execution.NodeOpened,
        Execution.IterationEnded,
        Execution.NodeSuspended,
        Execution.ApprovalDecided,
        Execution.ChildStarted,
        Execution.CompensationStarted,
        Execution.Resolved,
        Execution.Retried,
        Execution.NodeCopied,
        Execution.Failed,
        Execution.Cancelled,
    ),
    keys=keys,
    evolve=evolve,
    # Who is asked to decide sees what about, though the run is another's.
    own="agentledger.sees_execution(execution_id)"
    " OR (asked_at IS NOT NULL AND assignees && (SELECT agentledger.own_actors()))",
    # Without the rest of the nodes, so that it costs those nothing.
    sparse_indexes=(("tenant_id", "asked_at", "execution_id"),),
)
