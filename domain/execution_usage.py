"""What a run was billed and nobody knows: an attempt that was cut off after its call had left. It
stays open until somebody says what it used, or its answer comes after all.
"""

from datetime import datetime

from domain.executions import Execution
from domain.identifiers import JsonObject
from domain.node_types import Usage
from domain.usage import UsageNotUnresolved

# Whose attempts somebody sends a bill for.
METERED_TYPES = frozenset({"agent", "llm"})


def usage_facts(execution: Execution, usage: Usage) -> JsonObject:
    """As the events of the outcomes of this run have it."""
    return usage.facts(workflow_id=execution.workflow_id, created_by=execution.created_by)


def leave_unresolved(
    execution: Execution, path: str, attempt: int, *, node_type: str, model: str | None = None
) -> None:
    """Nothing, for a node that nobody sends a bill for."""
    if node_type not in METERED_TYPES:
        return
    execution.trigger_event(
        Execution.UsageUnresolved,
        path=path,
        node_type=node_type,
        attempt=attempt,
        model=model,
        workflow_id=execution.workflow_id,
        created_by=execution.created_by,
    )


def leave_running_unresolved(execution: Execution) -> None:
    """The run ends before these attempts do, and nobody will hear of their answers."""
    for path, attempt in execution.running_attempts():
        leave_unresolved(execution, path, attempt, node_type=execution.runs.get(path).node_type)


def unresolved_since(execution: Execution, path: str, attempt: int) -> datetime:
    """When the attempt ended. Raises UsageNotUnresolved."""
    return _unresolved(execution, path, attempt)[1]


def record_resolved(
    execution: Execution, path: str, attempt: int, usage: Usage, *, reason: str
) -> None:
    """Raises UsageNotUnresolved."""
    node_type, _ = _unresolved(execution, path, attempt)
    assert usage.metered is not None
    execution.trigger_event(
        Execution.UsageResolved,
        path=path,
        node_type=node_type,
        attempt=attempt,
        reason=reason,
        **usage_facts(execution, usage),
    )


def heard_late(execution: Execution, path: str, attempt: int, usage: Usage) -> None:
    """The answer of an attempt that is of no use any more, but was paid for."""
    if usage.metered is not None and (path, attempt) in execution.unresolved:
        record_resolved(execution, path, attempt, usage, reason="its answer came late")


def costs_unknown_by(
    fact: Execution.NodeCompleted
    | Execution.NodeFailed
    | Execution.UsageUnresolved
    | Execution.UsageResolved,
) -> int:
    """How many more attempts there are whose cost nobody knows. One of which nobody knows what it
    used counts from when that is said until it has a price.
    """
    match fact:
        case Execution.UsageUnresolved():
            return 1
        case Execution.UsageResolved():
            return 0 if fact.cost_usd_pico is None else -1
        case Execution.NodeCompleted() | Execution.NodeFailed():
            return 1 if fact.cost_usd_pico is None and fact.usage is not None else 0


def _unresolved(execution: Execution, path: str, attempt: int) -> tuple[str, datetime]:
    found = execution.unresolved.get((path, attempt))
    if found is None:
        raise UsageNotUnresolved(execution_id=str(execution.id), path=path, attempt=attempt)
    return found
