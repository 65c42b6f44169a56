"""What people decide about a run: cancel, pause, resume, signal, approve, retry, undo, resolve."""

from typing import Literal, TypeAlias

from domain.attempts import ABANDONED
from domain.definitions import Definition
from domain.errors import Forbidden, Invalid, NotFound, Refused
from domain.execution_compensation import must_undo, start_undoing
from domain.execution_status import FINISHED
from domain.execution_usage import leave_running_unresolved
from domain.executions import Execution, ExecutionEnded
from domain.identifiers import Json
from domain.node_runs import COMPENSATE, is_compensation
from domain.payloads import capped, payload_bytes
from domain.signals import PENDING_BYTES_MAX, PENDING_MAX, SignalsTooLarge, TooManySignals

Decision: TypeAlias = Literal["approve", "reject"]
Resolution: TypeAlias = Literal["done", "retry", "skip"]


class NotPaused(Refused):
    """This execution is not paused."""


class BeingCompensated(Refused):
    """What this execution did is being undone, or has been."""


class NothingToRetry(Refused):
    """Only an execution that failed or was cancelled can be tried again."""


class StillRuns(Refused):
    """This execution has not ended; cancel it with `compensate: true`."""


class NothingToCompensate(Refused):
    """Nothing that this execution did says how it is undone, or it has been undone."""


class NothingToResolve(Refused):
    """This node does not wait for somebody to say what it did."""


class PayloadsGone(Refused):
    """The payloads of this execution were removed; nothing can go on from them."""

    code = "payloads_removed"


class ApprovalNotFound(NotFound):
    """No approval of this execution waits under this name."""


class NotAnAssignee(Forbidden):
    """Others were asked for this decision."""


class ApprovalDecidedAlready(Refused):
    """This has been decided."""


def cancel(execution: Execution, reason: str | None) -> None:
    """Cancelling twice is once. An undoing goes on to its end: half of it would be worse."""
    if execution.status == "CANCELLED":
        return
    _require_going_on(execution)
    if execution.undoing is not None:
        raise BeingCompensated(execution_id=str(execution.id))
    leave_running_unresolved(execution)
    execution.trigger_event(
        Execution.Cancelled,
        reason=None if reason is None else capped(reason),
        stopped_paths=execution.runs.unfinished(),
    )


def cancel_and_undo(execution: Execution, definition: Definition, reason: str | None) -> None:
    """Undo what was done; cancel, when there is nothing."""
    if execution.undoing is not None or execution.status == "CANCELLED":
        return
    _require_going_on(execution)
    if not must_undo(execution, definition):
        cancel(execution, reason)
        return
    start_undoing(execution, "cancelled", message=None if reason is None else capped(reason))


def compensate(execution: Execution, definition: Definition) -> None:
    """Undo what an ended run did. Asking twice is once."""
    require_payloads(execution)
    if execution.undoing is not None:
        return
    if not execution.is_ended or execution.status == "NEEDS_ATTENTION":
        raise StillRuns(execution_id=str(execution.id), status=execution.status)
    if not must_undo(execution, definition):
        raise NothingToCompensate(execution_id=str(execution.id))
    start_undoing(execution, "requested")


def pause(execution: Execution) -> None:
    """Attempts under way go on to their end; nothing new begins. Pausing twice is once."""
    if execution.status == "PAUSED":
        return
    if execution.is_ended:
        raise ExecutionEnded(execution_id=str(execution.id), status=execution.status)
    if execution.undoing is not None:
        raise BeingCompensated(execution_id=str(execution.id))
    execution.trigger_event(Execution.Paused)


def resume(execution: Execution) -> None:
    if execution.status != "PAUSED":
        raise NotPaused(execution_id=str(execution.id), status=execution.status)
    execution.trigger_event(Execution.Resumed)


def signal(execution: Execution, name: str, payload: Json) -> None:
    """Kept for the node that waits for it, or will."""
    _require_going_on(execution)
    waiting = execution.signals.beside(name)
    if len(waiting) >= PENDING_MAX:
        raise TooManySignals(execution_id=str(execution.id), pending_max=PENDING_MAX)
    if sum(one.bytes for one in waiting) + payload_bytes(payload) > PENDING_BYTES_MAX:
        raise SignalsTooLarge(execution_id=str(execution.id), pending_bytes_max=PENDING_BYTES_MAX)
    execution.trigger_event(Execution.Signalled, name=name, payload=payload)


def awaited_approval(execution: Execution, path: str, callers: frozenset[str]) -> Json:
    """The form of an approval that waits, None when it has none. callers: the names by which the
    caller may have been asked.
    """
    run = execution.runs.get(path)
    if run.node_type != "approval" or not execution.has_payloads:
        raise ApprovalNotFound
    if run.answer is not None or run.status == "COMPLETED":
        raise ApprovalDecidedAlready
    if execution.is_ended or execution.undoing is not None:
        raise ApprovalNotFound
    if run.awaited is None or run.status != "WAITING":
        raise ApprovalDecidedAlready
    assignees = run.awaited["assignees"]
    if isinstance(assignees, list) and assignees and not callers & {str(one) for one in assignees}:
        raise NotAnAssignee
    return run.awaited["form_schema"]


def is_assigned(execution: Execution, path: str, callers: frozenset[str]) -> bool:
    """Whether an approval waits for one of these names, and not for whoever may decide."""
    awaited = execution.runs.get(path).awaited
    assignees = None if awaited is None else awaited.get("assignees")
    return isinstance(assignees, list) and bool(callers & {str(one) for one in assignees})


def decide_approval(
    execution: Execution,
    path: str,
    decision: Decision,
    *,
    comment: str | None,
    edits: Json,
    decided_by: str,
) -> None:
    """After `awaited_approval`."""
    execution.trigger_event(
        Execution.ApprovalDecided,
        path=path,
        decision=decision,
        comment=comment,
        edits=edits,
        decided_by=decided_by,
    )


def retry(execution: Execution, definition: Definition) -> None:
    """Go on from the nodes that failed, and from those that were stopped with them."""
    require_payloads(execution)
    if execution.undoing is not None:
        raise BeingCompensated(execution_id=str(execution.id))
    if execution.status not in {"FAILED", "CANCELLED"}:
        raise NothingToRetry(execution_id=str(execution.id), status=execution.status)
    handled = _handled(execution, definition)
    paths = [
        path
        for path in execution.runs.by_path
        if (handled is None or path.split("/")[0].partition("[")[0] in handled)
        and _is_redone(execution, definition, path)
    ]
    execution.trigger_event(Execution.Retried, paths=paths)


def resolve(execution: Execution, node_id: str, outcome: Resolution, output: Json) -> None:
    """Somebody looked, and says what a node did: it is done, to be tried again, or to be left out.

    node_id: a path; of a run that is being undone, the node that could not be.
    """
    if execution.status != "NEEDS_ATTENTION":
        raise NothingToResolve(execution_id=str(execution.id), status=execution.status)
    path = node_id
    if execution.undoing is not None and not is_compensation(node_id):
        path = f"{node_id}/{COMPENSATE}"
    run = execution.runs.get(path)
    is_failed_undoing = is_compensation(path) and run.status == "FAILED"
    if path not in execution.runs.doubted and not is_failed_undoing:
        raise NothingToResolve(execution_id=str(execution.id), node_id=node_id)
    if outcome != "done" and output is not None:
        raise Invalid("An output is only for a node that is done.")
    execution.trigger_event(
        Execution.Resolved, path=path, node_type=run.node_type, outcome=outcome, output=output
    )


def _is_redone(execution: Execution, definition: Definition, path: str) -> bool:
    run = execution.runs.get(path)
    if run.status in {"RUNNING", "WAITING"}:
        return True
    node = definition.node(path)
    if run.status != "FAILED" or node is None or run.error is None:
        return False
    return run.error["code"] == ABANDONED or not node.has_error_edge


def _handled(execution: Execution, definition: Definition) -> set[str] | None:
    """The handler of errors and what follows it, once it has begun: then the run goes on there,
    and what failed first stays as it is.
    """
    handler, flow = definition.on_error, definition.flow
    if handler is None or execution.runs.get(handler).status == "PENDING":
        return None
    return {handler, *(other for other in flow.nodes if flow.runs_before(handler, other))}


def remove_payloads(execution: Execution, payload_days: int) -> bool:
    """Whether there was something to remove: once, and only of a run that has finished."""
    if execution.status not in FINISHED or not execution.has_payloads:
        return False
    execution.trigger_event(Execution.PayloadsRemoved, payload_days=payload_days)
    return True


def require_payloads(execution: Execution) -> None:
    if not execution.has_payloads:
        raise PayloadsGone(execution_id=str(execution.id))


def erase(execution: Execution) -> None:
    """Its data subject is erased: it says so, after it has ended if it had not. Twice is once.
    Nothing of it is undone, for nobody can read any more what was done.
    """
    if execution.is_erased:
        return
    if execution.status not in FINISHED:
        leave_running_unresolved(execution)
        execution.trigger_event(
            Execution.Failed,
            path=None,
            attempt=None,
            code="data_subject_erased",
            message="the data subject of this execution was erased",
            stopped_paths=execution.runs.unfinished(),
        )
    execution.trigger_event(Execution.Erased, subject_id=str(execution.subject_id))


def _require_going_on(execution: Execution) -> None:
    if execution.is_ended and execution.status != "NEEDS_ATTENTION":
        raise ExecutionEnded(execution_id=str(execution.id), status=execution.status)
