"""One step of a run: all that can be done at once, up to where a worker must take over."""

from dataclasses import replace
from datetime import datetime

from domain.attempts import Attempt
from domain.definitions import Definition
from domain.execution_compensation import undo
from domain.execution_status import ENDED, STILL
from domain.execution_walk import Walk, run_ends_at
from domain.executions import Execution
from domain.identifiers import JsonObject

# A shorter wait is not worth giving the run out of hand and taking it up again.
SUSPENDED_FROM_S = 5.0


def advance(execution: Execution, definition: Definition, *, now: datetime) -> list[Attempt]:
    """Do all that can be done at once, and say what a worker is to do next.

    Called again without news it records nothing and returns nothing.
    """
    if execution.status in STILL or execution.live.is_held:
        return []
    assert definition.hash == execution.definition_hash
    if execution.status == "PENDING":
        execution.trigger_event(Execution.Started)
    attempts: list[Attempt] = []
    if execution.undoing is None:
        attempts = Walk(execution, definition, now).take()
    if execution.undoing is not None and execution.status not in ENDED:
        attempts = undo(execution, definition, now)
        execution.live.changed.clear()
    if execution.status in ENDED:
        return []
    begun = [_begin(execution, attempt) for attempt in attempts]
    _rest(execution, definition, now)
    return begun


def is_held_back(execution: Execution, attempt: Attempt) -> bool:
    """Whether its intent waits for somebody to say that it has a place, and what pays for it."""
    return attempt.has_intent and execution.live.in_flight.get(attempt.path) is attempt


def begin_reserved(execution: Execution, attempt: Attempt, reserved: JsonObject | None) -> None:
    """The intent of an attempt that was held back. reserved: what budgets hold for it, as the event
    has it.
    """
    assert is_held_back(execution, attempt)
    del execution.live.in_flight[attempt.path]
    _start(execution, attempt, reserved)


def has_more(execution: Execution) -> bool:
    """Whether the last step was cut short. A run that stands still has nothing more to do, whatever
    came meanwhile.
    """
    live = execution.live
    return bool(live.changed) and not live.is_held and execution.status not in STILL


def next_wake_at(execution: Execution, definition: Definition) -> datetime | None:
    """When something is due though nothing happens."""
    if execution.status == "PAUSED" or execution.live.is_held:
        return None
    ends_at = run_ends_at(execution, definition) if execution.undoing is None else None
    waiting, in_flight = execution.runs.waiting, execution.live.in_flight
    if not waiting:
        return ends_at
    dues = [due for path, due in waiting.items() if due and path not in in_flight]
    return min(dues if ends_at is None else [*dues, ends_at], default=None)


def is_at_rest(execution: Execution) -> bool:
    """Whether no attempt is under way, so that only time or somebody else can bring news."""
    return not (execution.runs.running or execution.live.in_flight or has_more(execution))


def _begin(execution: Execution, attempt: Attempt) -> Attempt:
    live = execution.live
    if attempt.node_type in live.counted_types:
        if not attempt.has_intent:
            attempt = replace(attempt, has_intent=True)
    elif attempt.has_intent:
        _start(execution, attempt, None)
        return attempt
    live.in_flight[attempt.path] = attempt
    return attempt


def _start(execution: Execution, attempt: Attempt, reserved: JsonObject | None) -> None:
    execution.trigger_event(
        Execution.NodeStarted,
        path=attempt.path,
        node_type=attempt.node_type,
        attempt=attempt.number,
        request=attempt.request,
        idempotency_key=attempt.idempotency_key,
        reserved=reserved,
    )


def _rest(execution: Execution, definition: Definition, now: datetime) -> None:
    if execution.status != "RUNNING" or not is_at_rest(execution):
        return
    if execution.runs.doubted:
        execution.trigger_event(
            Execution.AttentionNeeded,
            message="nobody knows what these nodes did before their worker went away",
            paths=list(execution.runs.doubted),
            done_paths=[],
        )
        return
    wake_at = next_wake_at(execution, definition)
    if wake_at is None or (wake_at - now).total_seconds() > SUSPENDED_FROM_S:
        text = None if wake_at is None else wake_at.isoformat()
        execution.trigger_event(Execution.Suspended, wake_at=text)
