"""executions: each run, its state, result and cost."""

from datetime import datetime, timedelta
from typing import TypedDict

from domain.executions import Execution
from domain.identifiers import JsonObject
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
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
    uuid_or_none,
)

MILLISECOND = timedelta(milliseconds=1)


class ExecutionRow(TypedDict):
    """duration_ms: from the first step to the end. version: the number of its events.

    Tokens and cost include failed attempts: they were billed too. has_unpriced: some call had no
    known price, so the cost is a lower bound.
    """

    tenant_id: Uuid
    execution_id: Uuid
    status: Text
    workflow_id: Uuid | None
    workflow_version: Integer | None
    agent_id: Uuid | None
    definition_hash: Text
    created_by: Text
    input: JsonText
    output: JsonText | None
    error: JsonText | None
    created_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    duration_ms: BigInt | None
    cost_usd_pico: BigInt
    has_unpriced: Boolean
    tokens_in: BigInt
    tokens_out: BigInt
    version: BigInt


def evolve(  # noqa: PLR0911 # one answer per kind of event
    row: ExecutionRow | None, event: Decoded, _key: Key
) -> ExecutionRow:
    version = event.logged.version
    match event.fact:
        case Execution.Created() as fact:
            return _created(event, fact)
        case Execution.Started():
            return {
                **present(row),
                "status": "RUNNING",
                "started_at": event.logged.recorded_at,
                "version": version,
            }
        case Execution.NodeStarted() | Execution.NodesSkipped():
            return {**present(row), "version": version}
        case Execution.NodeCompleted() | Execution.NodeFailed() as fact:
            return _with_usage(present(row), version, fact)
        case Execution.Completed() as fact:
            completed = _ended(present(row), event, "COMPLETED")
            return {**completed, "output": json_text(fact.output)}
        case Execution.Failed() as fact:
            failed = _ended(present(row), event, "FAILED")
            error: JsonObject = {"code": fact.code, "message": fact.message}
            if fact.path is not None:
                error |= {"path": fact.path, "attempt": fact.attempt}
            return {**failed, "error": json_text(error)}
        case Execution.Cancelled() as fact:
            cancelled = _ended(present(row), event, "CANCELLED")
            reason = fact.reason or "The execution was cancelled."
            return {**cancelled, "error": json_text({"code": "cancelled", "message": reason})}
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
        "input": json_text(fact.input),
        "output": None,
        "error": None,
        "created_at": logged.recorded_at,
        "started_at": None,
        "completed_at": None,
        "duration_ms": None,
        "cost_usd_pico": 0,
        "has_unpriced": False,
        "tokens_in": 0,
        "tokens_out": 0,
        "version": logged.version,
    }


def _with_usage(
    row: ExecutionRow, version: int, fact: Execution.NodeCompleted | Execution.NodeFailed
) -> ExecutionRow:
    return {
        **row,
        "cost_usd_pico": row["cost_usd_pico"] + (fact.cost_usd_pico or 0),
        "has_unpriced": row["has_unpriced"] or fact.cost_usd_pico is None,
        "tokens_in": row["tokens_in"] + fact.tokens_in,
        "tokens_out": row["tokens_out"] + fact.tokens_out,
        "version": version,
    }


def _ended(row: ExecutionRow, event: Decoded, status: str) -> ExecutionRow:
    completed_at = event.logged.recorded_at
    return {
        **row,
        "status": status,
        "completed_at": completed_at,
        "duration_ms": _milliseconds(row["started_at"], completed_at),
        "version": event.logged.version,
    }


def _milliseconds(started_at: datetime | None, completed_at: datetime) -> int | None:
    return None if started_at is None else (completed_at - started_at) // MILLISECOND


EXECUTIONS = Projection(
    name="executions",
    version=1,
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
        Execution.NodesSkipped,
        Execution.Completed,
        Execution.Failed,
        Execution.Cancelled,
    ),
    keys=stream_key,
    evolve=evolve,
    indexes=(
        ("tenant_id", "status", "execution_id"),
        ("tenant_id", "workflow_id", "execution_id"),
        ("tenant_id", "created_at"),
    ),
)
