"""node_runs: each node of each run, over all its attempts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from domain.executions import Execution
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
)

MILLISECOND = timedelta(milliseconds=1)


class Ending(TypedDict):
    status: Text
    started_at: Instant | None
    completed_at: Instant | None
    duration_ms: BigInt | None


class Usage(TypedDict):
    type: Text | None
    attempt: Integer
    model: Text | None
    cost_usd_pico: BigInt
    has_unpriced: Boolean
    tokens_in: BigInt
    tokens_out: BigInt


class NodeRunRow(Ending, Usage):
    """ordinal: the version of its first event, so the order in which nodes began.

    type: None for a skipped node, whose event does not say it. attempt: the newest, 0 if skipped.
    status WAITING: failed and to be tried again. started_at: of the first attempt, so duration_ms
    includes the waits between attempts. input: of the newest attempt. error: of the last failed
    attempt, until one succeeds. Tokens and cost: of all attempts.
    """

    tenant_id: Uuid
    execution_id: Uuid
    path: Text
    ordinal: BigInt
    node_id: Text
    input: JsonText | None
    output: JsonText | None
    error: JsonText | None


def keys(event: Decoded) -> Sequence[Key]:
    tenant_id, execution_id = event.logged.tenant_id, event.logged.stream_id
    match event.fact:
        case Execution.NodeStarted() | Execution.NodeCompleted() | Execution.NodeFailed() as fact:
            return ((tenant_id, execution_id, fact.path),)
        case Execution.NodesSkipped() as fact:
            return [(tenant_id, execution_id, path) for path in fact.paths]
        case Execution.Failed() | Execution.Cancelled() as fact:
            return [(tenant_id, execution_id, path) for path in fact.stopped_paths]
        case _:
            raise UnexpectedEvent(event.logged.topic)


def evolve(  # one answer per kind of event
    row: NodeRunRow | None, event: Decoded, key: Key
) -> NodeRunRow:
    match event.fact:
        case Execution.NodeStarted() as fact:
            before = row or _first(event, key)
            return {
                **before,
                "type": fact.node_type,
                "status": "RUNNING",
                "attempt": fact.attempt,
                "started_at": before["started_at"] or event.logged.recorded_at,
                "input": json_text(fact.request),
            }
        case Execution.NodeCompleted() as fact:
            before = row or _first(event, key)
            output = json_text(fact.output)
            usage, ending = _usage(before, fact), _ending(before, event, "COMPLETED")
            return {**before, **usage, **ending, "output": output, "error": None}
        case Execution.NodeFailed() as fact:
            before = row or _first(event, key)
            error = json_text({"code": fact.code, "message": fact.message, "attempt": fact.attempt})
            failed: NodeRunRow = {**before, **_usage(before, fact), "error": error}
            if fact.retry_at is None:
                return {**failed, **_ending(before, event, "FAILED")}
            return {**failed, "status": "WAITING"}
        case Execution.NodesSkipped():
            return {**_first(event, key), "status": "SKIPPED"}
        case Execution.Failed() | Execution.Cancelled():
            before = present(row)
            return {**before, **_ending(before, event, "CANCELLED")}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _first(event: Decoded, key: Key) -> NodeRunRow:
    """A node of which nothing was heard before this event."""
    path = str(key[2])
    return {
        "tenant_id": event.logged.tenant_id,
        "execution_id": event.logged.stream_id,
        "path": path,
        "ordinal": event.logged.version,
        # `map[3]/draft` is the node draft inside the body of map.
        "node_id": path.rpartition("/")[2],
        "type": None,
        "status": "PENDING",
        "attempt": 0,
        "started_at": None,
        "completed_at": None,
        "duration_ms": None,
        "input": None,
        "output": None,
        "error": None,
        "model": None,
        "cost_usd_pico": 0,
        "has_unpriced": False,
        "tokens_in": 0,
        "tokens_out": 0,
    }


def _ending(row: NodeRunRow, event: Decoded, status: str) -> Ending:
    """A node without a start did its work in the very moment of this event."""
    completed_at = event.logged.recorded_at
    started_at = row["started_at"] or completed_at
    return {
        "status": status,
        "started_at": started_at,
        "completed_at": completed_at,
        "duration_ms": (completed_at - started_at) // MILLISECOND,
    }


def _usage(row: NodeRunRow, fact: Execution.NodeCompleted | Execution.NodeFailed) -> Usage:
    return {
        "type": fact.node_type,
        "attempt": fact.attempt,
        "model": fact.model or row["model"],
        "cost_usd_pico": row["cost_usd_pico"] + (fact.cost_usd_pico or 0),
        "has_unpriced": row["has_unpriced"] or fact.cost_usd_pico is None,
        "tokens_in": row["tokens_in"] + fact.tokens_in,
        "tokens_out": row["tokens_out"] + fact.tokens_out,
    }


NODE_RUNS = Projection(
    name="node_runs",
    version=1,
    row=NodeRunRow,
    key=("tenant_id", "execution_id", "path"),
    stream_column="execution_id",
    aggregate=Execution,
    events=(
        Execution.NodeStarted,
        Execution.NodeCompleted,
        Execution.NodeFailed,
        Execution.NodesSkipped,
        Execution.Failed,
        Execution.Cancelled,
    ),
    keys=keys,
    evolve=evolve,
)
