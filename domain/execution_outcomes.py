"""What a worker reports of a run: how attempts ended, what was started, and what nobody knows."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing import domain as library

from domain.attempts import (
    FREE,
    INTERRUPTED,
    UNKNOWN_OUTCOMES_MAX,
    Failure,
    Result,
    Usage,
    payload_result,
    retry_at,
)
from domain.definition_fields import NO_RETRY, OnUnknown, RetryPolicy
from domain.definitions import Definition
from domain.execution_status import FINISHED
from domain.execution_usage import heard_late, leave_unresolved, usage_facts
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.node_runs import is_compensation, prefix_of, undone_by
from domain.payloads import BLOB_QUOTA, capped, is_inline


def complete_node(
    execution: Execution, path: str, attempt: int, output: Json, *, usage: Usage
) -> None:
    """The outcome of an attempt. Nothing, unless exactly this attempt is running."""
    node_type = _running_type(execution, path, attempt)
    if node_type is None:
        heard_late(execution, path, attempt, usage)
        return
    outcome = payload_result(Result(output), usage)
    record(execution, outcome, path, node_type, attempt=attempt, usage=usage)


def fail_node(
    execution: Execution,
    definition: Definition,
    path: str,
    attempt: int,
    *,
    failure: Failure,
    now: datetime,
) -> None:
    """An attempt without outcome. Nothing, unless exactly this attempt is running."""
    node_type = _running_type(execution, path, attempt)
    if node_type is None:
        heard_late(execution, path, attempt, failure.usage)
        return
    when = _retry_at(execution, definition, path, attempt, failure=failure, now=now)
    record(execution, failure, path, node_type, attempt=attempt, when=when)


def start_child(
    execution: Execution,
    path: str,
    attempt: int,
    child_id: UUID,
    *,
    is_awaited: bool,
    on_parent_close: str,
) -> bool:
    """The child begins with the same append. False: this attempt is not running any more."""
    node_type = _running_type(execution, path, attempt)
    if node_type is None:
        return False
    execution.live.in_flight.pop(path, None)
    execution.trigger_event(
        Execution.ChildStarted,
        path=path,
        node_type=node_type,
        attempt=attempt,
        child_id=str(child_id),
        is_awaited=is_awaited,
        on_parent_close=on_parent_close,
    )
    if not is_awaited:
        output: JsonObject = {"execution_id": str(child_id)}
        record(execution, Result(output), path, node_type, attempt=attempt)
    return True


def child_ended(parent: Execution, child: Execution) -> None:
    """The parent hears of the end with the same append; nothing when it waits no longer."""
    known = parent.children.get(str(child.id))
    if known is None or parent.status in FINISHED:
        return
    parent.trigger_event(
        Execution.ChildEnded,
        path=known.path,
        child_id=str(child.id),
        status=child.status,
        output=child.output,
        error=child.error,
    )


def interrupt(
    execution: Execution,
    definition: Definition,
    *,
    now: datetime,
    except_for: Collection[tuple[str, int]] = (),
) -> None:
    """Nobody will report the running attempts any more: what they did is unknown.

    except_for: (path, number) of attempts that somebody still reports.
    """
    for path, attempt in execution.running_attempts():
        if (path, attempt) not in except_for:
            _interrupt(execution, definition, path, attempt, now=now)


def record(
    execution: Execution,
    outcome: Result | Failure,
    path: str,
    node_type: str,
    *,
    attempt: int = 1,
    usage: Usage = FREE,
    when: datetime | None = None,
) -> None:
    """How a node, or an attempt at it, ended. when: of the next attempt; None is for good."""
    live = execution.live
    live.in_flight.pop(path, None)
    live.changed[prefix_of(path)] = None
    if not live.has_room:
        outcome = with_room(execution, outcome, usage)
    if isinstance(outcome, Failure):
        if outcome.usage.is_unknown:
            model = outcome.usage.model
            leave_unresolved(execution, path, attempt, node_type=node_type, model=model)
        execution.trigger_event(
            Execution.NodeFailed,
            path=path,
            node_type=node_type,
            attempt=attempt,
            code=outcome.code,
            message=capped(outcome.message),
            retry_at=None if when is None else when.isoformat(),
            **usage_facts(execution, outcome.usage),
        )
    else:
        own: dict[str, Any] = {
            "timestamp": library.datetime_now_with_tzinfo(),
            "path": path,
            "node_type": node_type,
            "attempt": attempt,
            "output": outcome.output,
            "ports": [*outcome.ports],
            **usage_facts(execution, usage),
        }
        execution.record(Execution.NodeCompleted, own)


def with_room(
    execution: Execution, outcome: Result | Failure, usage: Usage = FREE
) -> Result | Failure:
    """What is made of an outcome that is too large for a tenant whose quota is used up."""
    if execution.live.has_room or isinstance(outcome, Failure) or is_inline(outcome.output):
        return outcome
    return Failure(BLOB_QUOTA, "the tenant may store no more large payloads", usage=usage)


def _running_type(execution: Execution, path: str, attempt: int) -> str | None:
    """The type of the node whose attempt this is; None when it is not running."""
    in_flight = execution.live.in_flight.get(path)
    if in_flight is not None and in_flight.number == attempt:
        return in_flight.node_type
    if execution.runs.running.get(path) == attempt:
        return execution.runs.get(path).node_type
    return None


def _interrupt(
    execution: Execution, definition: Definition, path: str, attempt: int, *, now: datetime
) -> None:
    run = execution.runs.get(path)
    on_unknown = _on_unknown(definition, path)
    if run.unknown_outcomes >= UNKNOWN_OUTCOMES_MAX:
        on_unknown = "fail"
    if on_unknown == "ask" and execution.undoing is None:
        leave_unresolved(execution, path, attempt, node_type=run.node_type)
        execution.trigger_event(
            Execution.NodeDoubted,
            path=path,
            node_type=run.node_type,
            attempt=attempt,
            code=INTERRUPTED.code,
            message=INTERRUPTED.message,
        )
        return
    is_retried = on_unknown == "retry" and _is_still_wanted(execution, path)
    when = now if is_retried else None
    record(execution, INTERRUPTED, path, run.node_type, attempt=attempt, when=when)


def _retry_at(
    execution: Execution,
    definition: Definition,
    path: str,
    attempt: int,
    *,
    failure: Failure,
    now: datetime,
) -> datetime | None:
    if not _is_still_wanted(execution, path):
        return None
    run = execution.runs.get(path)
    key = f"{execution.id}:{path}:{attempt}"
    when = retry_at(
        _retry_policy(definition, path), attempt - run.attempts_before, failure, now, key=key
    )
    node = definition.node(path)
    if when is None or node is None or node.deadline_s is None:
        return when
    begun_at = run.begun_at or now
    return when if when < begun_at + timedelta(seconds=node.deadline_s) else None


def _is_still_wanted(execution: Execution, path: str) -> bool:
    """While a run is being undone, only what undoes it is tried again."""
    return execution.undoing is None or is_compensation(path)


def _retry_policy(definition: Definition, path: str) -> RetryPolicy:
    if is_compensation(path):
        undone = definition.node(undone_by(path))
        return (
            NO_RETRY
            if undone is None or undone.compensation is None
            else (undone.compensation.fields.retry)
        )
    node = definition.node(path)
    return NO_RETRY if node is None else node.retry


def _on_unknown(definition: Definition, path: str) -> OnUnknown:
    """What undoes is tried again: it is sent under the same key."""
    node = definition.node(path)
    return "retry" if node is None or is_compensation(path) else node.on_unknown
