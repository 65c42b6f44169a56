"""executions: each run, its state, result and cost."""

from datetime import datetime, timedelta

from typing_extensions import TypedDict

from domain.execution_status import ENDED, ExecutionStatus
from domain.execution_usage import costs_unknown_by
from domain.executions import Execution
from domain.identifiers import JsonObject
from projections.execution_sums import BY_DAY, BY_QUARTER
from projections.table import (
    BEGUN_BY_PERSON,
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    json_text,
    present,
    stream_key,
    uuid_or_none,
)

MILLISECOND = timedelta(milliseconds=1)


class ExecutionRow(TypedDict):
    """duration_ms: from the first step to the end. version: the number of its events.

    Tokens and cost include failed attempts: they were billed too. unpriced: calls of which nobody
    knows the cost, or not yet, so that it is a lower bound. parent_path: of the parent's node that
    started it.
    wake_at: when a run that waits goes on by itself. attention: why somebody has to look at it,
    while that is so; what went wrong before stays in error. is_undone: what it did is being undone,
    or has been. payloads_removed_at: when input, outputs and requests went, which then say so.
    data_subject: whose data it works on, until erased_at, when they and all that is theirs went.
    """

    tenant_id: Uuid
    execution_id: Uuid
    status: Text
    workflow_id: Uuid | None
    workflow_version: Integer | None
    agent_id: Uuid | None
    definition_hash: Text
    created_by: Text
    parent_id: Uuid | None
    parent_path: Text | None
    forked_from_id: Uuid | None
    forked_from_node: Text | None
    input: JsonText
    output: JsonText | None
    error: JsonText | None
    attention: JsonText | None
    is_undone: Boolean
    created_at: Instant
    started_at: Instant | None
    wake_at: Instant | None
    completed_at: Instant | None
    payloads_removed_at: Instant | None
    data_subject: Text | None
    erased_at: Instant | None
    duration_ms: BigInt | None
    cost_usd_pico: BigInt
    unpriced: Integer
    tokens_in: BigInt
    tokens_out: BigInt
    version: BigInt


def evolve(row: ExecutionRow | None, event: Decoded, _key: Key) -> ExecutionRow:
    match event.fact:
        case Execution.Created() as fact:
            return _created(event, fact)
        case (
            Execution.NodesSkipped()
            | Execution.NodeDoubted()
            | Execution.IterationEnded()
            | Execution.NodeCopied()
        ):
            return {**present(row), "version": event.logged.version}
        case (
            Execution.NodeStarted()
            | Execution.NodeOpened()
            | Execution.NodeSuspended()
            | Execution.ChildStarted()
            | Execution.ChildEnded()
            | Execution.Signalled()
            | Execution.ApprovalDecided()
        ):
            return _gone_on(present(row), event)
        case Execution.NodeCompleted() | Execution.NodeFailed() as fact:
            return _with_usage(_gone_on(present(row), event), fact)
        case (
            Execution.UsageUnresolved() | Execution.UsageResolved() | Execution.RunMetered() as fact
        ):
            return _with_usage({**present(row), "version": event.logged.version}, fact)
        case _:
            return _decided(present(row), event)


def _decided(row: ExecutionRow, event: Decoded) -> ExecutionRow:  # noqa: PLR0911 # one answer per kind of event
    """What the events about the run as a whole make of it."""
    match event.fact:
        case Execution.Started():
            return {**_moved(row, event, "RUNNING"), "started_at": event.logged.recorded_at}
        case Execution.Suspended() as fact:
            return {**_moved(row, event, "WAITING"), "wake_at": instant_or_none(fact.wake_at)}
        case Execution.Paused():
            return _moved(row, event, "PAUSED")
        case Execution.Resumed():
            return _moved(row, event, _begun_or_not(row))
        case Execution.CompensationStarted() as fact:
            error = row["error"] if fact.error is None else _error(fact.error)
            return {**_moved(row, event, "COMPENSATING"), "error": error, "is_undone": True}
        case Execution.AttentionNeeded() as fact:
            return {**_moved(row, event, "NEEDS_ATTENTION"), "attention": _attention(fact)}
        case Execution.Resolved():
            return _moved(row, event, "COMPENSATING" if row["is_undone"] else "RUNNING")
        case Execution.Retried():
            return {**_moved(row, event, _begun_or_not(row)), "error": None}
        case Execution.Upgraded() as fact:
            return {
                **row,
                "definition_hash": fact.definition_hash,
                "workflow_version": fact.workflow_version,
                "version": event.logged.version,
            }
        case _:
            return _ended(row, event)


def _ended(row: ExecutionRow, event: Decoded) -> ExecutionRow:
    match event.fact:
        case Execution.Completed() as fact:
            return {**_moved(row, event, "COMPLETED"), "output": json_text(fact.output)}
        case Execution.Failed() as fact:
            where: JsonObject = {"path": fact.path, "attempt": fact.attempt}
            error = _error({"code": fact.code, "message": fact.message, **where})
            return {**_moved(row, event, "FAILED"), "error": error}
        case Execution.Cancelled() as fact:
            reason = fact.reason or "The execution was cancelled."
            error = _error({"code": "cancelled", "message": reason})
            return {**_moved(row, event, "CANCELLED"), "error": error}
        case Execution.Compensated():
            return _moved(row, event, "COMPENSATED")
        case Execution.PayloadsRemoved():
            removed_at = event.logged.recorded_at
            return {**row, "payloads_removed_at": removed_at, "version": event.logged.version}
        case Execution.Erased():
            erased_at = event.logged.recorded_at
            gone: ExecutionRow = {**row, "data_subject": None, "erased_at": erased_at}
            return {**gone, "version": event.logged.version}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _created(event: Decoded, fact: Execution.Created) -> ExecutionRow:
    logged = event.logged
    return {
        "tenant_id": logged.tenant_id,
        "execution_id": logged.stream_id,
        "status": "PENDING",
        "workflow_id": uuid_or_none(fact.workflow_id),
        "workflow_version": fact.workflow_version,
        "agent_id": uuid_or_none(fact.agent_id),
        "definition_hash": fact.definition_hash,
        "created_by": fact.created_by,
        "parent_id": uuid_or_none(fact.parent_id),
        "parent_path": fact.parent_path,
        "forked_from_id": uuid_or_none(fact.forked_from_id),
        "forked_from_node": fact.forked_from_node,
        "input": json_text(fact.input),
        "output": None,
        "error": None,
        "attention": None,
        "is_undone": False,
        "created_at": logged.recorded_at,
        "started_at": None,
        "wake_at": None,
        "completed_at": None,
        "payloads_removed_at": None,
        "data_subject": fact.data_subject,
        "erased_at": None,
        "duration_ms": None,
        "cost_usd_pico": 0,
        "unpriced": 0,
        "tokens_in": 0,
        "tokens_out": 0,
        "version": logged.version,
    }


def _gone_on(row: ExecutionRow, event: Decoded) -> ExecutionRow:
    """What ends the wait of a run, if it waits."""
    if row["status"] == "WAITING":
        return _moved(row, event, "RUNNING")
    return {**row, "version": event.logged.version}


def _begun_or_not(row: ExecutionRow) -> ExecutionStatus:
    return "PENDING" if row["started_at"] is None else "RUNNING"


def _moved(row: ExecutionRow, event: Decoded, status: ExecutionStatus) -> ExecutionRow:
    """A run that had ended may go on again."""
    completed_at = event.logged.recorded_at if status in ENDED else None
    return {
        **row,
        "status": status,
        "attention": None,
        "wake_at": None,
        "completed_at": completed_at,
        "duration_ms": _milliseconds(row["started_at"], completed_at),
        "version": event.logged.version,
    }


def _with_usage(
    row: ExecutionRow,
    fact: Execution.NodeCompleted
    | Execution.NodeFailed
    | Execution.UsageUnresolved
    | Execution.UsageResolved
    | Execution.RunMetered,
) -> ExecutionRow:
    if isinstance(fact, Execution.RunMetered):
        return {**row, "cost_usd_pico": row["cost_usd_pico"] + (fact.cost_usd_pico or 0)}
    unpriced = row["unpriced"] + costs_unknown_by(fact)
    if isinstance(fact, Execution.UsageUnresolved):
        return {**row, "unpriced": unpriced}
    return {
        **row,
        "cost_usd_pico": row["cost_usd_pico"] + (fact.cost_usd_pico or 0),
        "unpriced": unpriced,
        "tokens_in": row["tokens_in"] + fact.tokens_in,
        "tokens_out": row["tokens_out"] + fact.tokens_out,
    }


def _error(error: JsonObject) -> str:
    """Without a place, when no node is to blame."""
    if error.get("path") is None:
        error = {"code": error["code"], "message": error["message"]}
    return json_text(error)


def _attention(fact: Execution.AttentionNeeded) -> str:
    return json_text(
        {
            "code": "needs_attention",
            "message": fact.message,
            "paths": [*fact.paths],
            "done_paths": [*fact.done_paths],
        }
    )


def _milliseconds(started_at: datetime | None, completed_at: datetime | None) -> int | None:
    if started_at is None or completed_at is None:
        return None
    return (completed_at - started_at) // MILLISECOND


EXECUTIONS = Projection(
    name="executions",
    version=5,
    row=ExecutionRow,
    key=("tenant_id", "execution_id"),
    stream_column="execution_id",
    aggregate=Execution,
    events=(
        Execution.Created,
        Execution.Started,
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
        Execution.ChildStarted,
        Execution.ChildEnded,
        Execution.Signalled,
        Execution.ApprovalDecided,
        Execution.Suspended,
        Execution.Paused,
        Execution.Resumed,
        Execution.CompensationStarted,
        Execution.AttentionNeeded,
        Execution.Resolved,
        Execution.Retried,
        Execution.NodeCopied,
        Execution.Upgraded,
        Execution.RunMetered,
        Execution.PayloadsRemoved,
        Execution.Erased,
        Execution.Completed,
        Execution.Failed,
        Execution.Cancelled,
        Execution.Compensated,
    ),
    keys=stream_key,
    evolve=evolve,
    # As agentledger.sees_execution says it of one run (projections/visibility.py).
    own=BEGUN_BY_PERSON + " OR workflow_id IN (SELECT agentledger.run_sources())"
    " OR agent_id IN (SELECT agentledger.run_sources())"
    " OR (workflow_id, created_by) IN (SELECT r.workflow_id, r.actor"
    " FROM agentledger.public_runs() AS r)",
    indexes=(
        ("tenant_id", "status", "execution_id"),
        ("tenant_id", "workflow_id", "execution_id"),
        ("tenant_id", "created_at"),
        ("tenant_id", "created_by", "execution_id"),
    ),
    sparse_indexes=(
        ("tenant_id", "parent_id", "execution_id"),
        ("tenant_id", "forked_from_id", "execution_id"),
        ("tenant_id", "data_subject", "execution_id"),
        ("tenant_id", "agent_id", "execution_id"),
    ),
    rollups=(BY_QUARTER, BY_DAY),
)
