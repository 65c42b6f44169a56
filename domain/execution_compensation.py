"""Undoing what a run did: each node that completed and says how, in reverse topological order.

    CompensationStarted ──► attempts under way end ──► the newest first, independent ones together
                                                            │
                              Compensated ◄── all undone ───┤
                              AttentionNeeded ◄── one failed for good, and the rest waits for it

What undoes a node is a node run of its own, with the path `book/compensate`: it has attempts,
retries, an idempotency key and an output like any effect, which is its receipt.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.attempts import Attempt, Failure, request_of
from domain.definitions import Definition
from domain.execution_frames import LiveFrame, known_roots
from domain.execution_outcomes import record
from domain.execution_usage import leave_running_unresolved
from domain.executions import Execution
from domain.identifiers import JsonObject
from domain.node_runs import COMPENSATE, NodeRun, is_compensation, prefix_of
from domain.node_types import BodyNode, EffectfulNode, Scope
from domain.payloads import capped
from domain.undo_plan import Undo, UndoPlan


def fail(
    execution: Execution,
    definition: Definition,
    code: str,
    message: str,
    *,
    path: str | None = None,
    attempt: int | None = None,
) -> None:
    """The run has failed: undo what can be undone, or end."""
    error: JsonObject = {
        "code": code,
        "message": capped(message),
        "path": path,
        "attempt": attempt,
    }
    if must_undo(execution, definition):
        start_undoing(execution, "failed", error=error)
        return
    leave_running_unresolved(execution)
    execution.trigger_event(
        Execution.Failed,
        path=path,
        attempt=attempt,
        code=code,
        message=capped(message),
        stopped_paths=execution.runs.unfinished(),
    )


def must_undo(execution: Execution, definition: Definition) -> bool:
    """Whether something was done that can be undone, or is just being done."""
    if execution.runs.kept or undoable(execution, definition):
        return True
    running = (definition.node(path) for path in execution.runs.running)
    return any(node is not None and node.compensation is not None for node in running)


def start_undoing(
    execution: Execution,
    reason: str,
    *,
    message: str | None = None,
    error: JsonObject | None = None,
) -> None:
    runs = execution.runs
    stopped = [path for path in runs.unfinished() if path not in runs.running]
    execution.trigger_event(
        Execution.CompensationStarted,
        reason=reason,
        message=message,
        error=error,
        stopped_paths=stopped,
    )


def undo(execution: Execution, definition: Definition, now: datetime) -> list[Attempt]:
    """The attempts to undo that can be made now; ends the run when there is nothing left to do."""
    runs = execution.runs
    if any(not is_compensation(path) for path in runs.running):
        return []  # What they do is known soon, and may have to be undone too.
    plan = execution.live.undo_plan
    if plan is None:
        plan = UndoPlan(undoable(execution, definition), definition.flow)
        execution.live.undo_plan = plan
    attempts: list[Attempt] = []
    for one in plan.free(runs):
        run = runs.get(one.own_path)
        if _is_due(run, execution, one.own_path, now):
            attempt = _attempt(execution, definition, one, run)
            if attempt is not None:
                attempts.append(attempt)
    if not attempts and not runs.running and not runs.waiting:
        _end(execution, plan.whole)
    return attempts


def undoable(execution: Execution, definition: Definition) -> list[Undo]:
    """Everything that completed, or may have, and says how it is undone."""
    found: list[Undo] = []
    for path, run in execution.runs.by_path.items():
        node = definition.node(path)
        if node is not None and node.compensation is not None and _may_have_happened(run):
            found.append(Undo(path, node.compensation))
    for path, kept in execution.runs.kept.items():
        node = definition.node(path)
        if node is not None and node.compensation is not None:
            found.append(Undo(path, node.compensation, kept.request, kept.problem))
    return found


def compensations_in(
    frame: LiveFrame, execution: Execution, definition: Definition
) -> list[JsonObject]:
    """Of an iteration that is about to be forgotten: what it would ask for to be undone."""
    kept: list[JsonObject] = []
    for path in _paths_below(execution, frame.prefix):
        node = definition.node(path)
        run = execution.runs.get(path)
        if node is None or node.compensation is None or not _may_have_happened(run):
            continue
        if prefix_of(path) == frame.prefix:
            roots: JsonObject = {**frame.roots, "nodes": {**frame.visible(execution.runs)}}
        else:
            roots = _roots_at(execution, definition, path)
        request = _rendered(node.compensation.config, roots)
        is_rendered = not isinstance(request, Failure)
        kept.append(
            {
                "path": path,
                "request": request if is_rendered else None,
                "problem": None if is_rendered else request.message,
            }
        )
    return kept


def _paths_below(execution: Execution, prefix: str) -> list[str]:
    """Also of iterations inside of this one that did not come to their end."""
    frames = execution.runs.frames
    return [path for known in frames if known.startswith(prefix) for path in frames[known].paths]


def _may_have_happened(run: NodeRun) -> bool:
    if run.status == "COMPLETED":
        return run.attempt > 0  # 0: it was copied, and belongs to another run.
    # RUNNING: the run was stopped in the middle of it.
    is_unknown = run.is_unanswered and run.status in {"FAILED", "WAITING"}
    return is_unknown or run.status == "RUNNING"


def _is_due(run: NodeRun, execution: Execution, path: str, now: datetime) -> bool:
    if run.status == "PENDING":
        return True
    due = execution.runs.waiting.get(path)
    return run.status == "WAITING" and due is not None and due <= now


def _attempt(
    execution: Execution, definition: Definition, one: Undo, run: NodeRun
) -> Attempt | None:
    """None when there is nothing to ask for; then that is recorded."""
    number = run.attempt + 1
    request: JsonObject | Failure | None = one.request
    if one.problem is not None:
        request = Failure("expression_failed", one.problem)
    elif request is None:
        roots = _roots_at(execution, definition, one.path)
        request = _rendered(one.compensation.config, roots)
    if isinstance(request, Failure):
        record(execution, request, one.own_path, one.compensation.type, attempt=number)
        return None
    return Attempt(
        one.own_path,
        one.compensation.type,
        number,
        request,
        one.compensation.fields.timeout_s,
        run.key_to_repeat() or f"{execution.id}:{one.own_path}:{number}",
        secrets=one.compensation.config.secrets,
    )


def _rendered(config: EffectfulNode, roots: JsonObject) -> JsonObject | Failure:
    return request_of(config, Scope(roots, {}))


def _roots_at(execution: Execution, definition: Definition, path: str) -> JsonObject:
    """What an expression of a node sees, for an iteration that has not ended too."""
    runs = execution.runs
    roots: JsonObject = {**known_roots(execution.roots, execution.webhook_path)}
    if execution.undoing is not None and execution.undoing.error is not None:
        roots["error"] = execution.undoing.error
    nodes: JsonObject = {**runs.frame("").visible}
    flow, prefix = definition.flow, ""
    for step in prefix_of(path).split("/")[:-1]:
        node_id, _, index = step.rstrip("]").partition("[")
        node = flow.nodes[node_id]
        assert isinstance(node.config, BodyNode)
        assert node.body is not None
        known = runs.bodies[prefix + node_id].known
        scope = Scope({**roots, "nodes": nodes}, {})
        iteration = node.config.iteration(int(index), scope, known)
        roots |= iteration.roots
        flow, prefix = node.body, f"{prefix}{step}/"
        nodes |= {flow.start: {"output": iteration.given}, **runs.frame(prefix).visible}
    return {**roots, "nodes": nodes}


def _end(execution: Execution, whole: Sequence[Undo]) -> None:
    done = _with_status(execution, whole, is_done=True)
    left = _with_status(execution, whole, is_done=False)
    if not left:
        execution.trigger_event(Execution.Compensated, paths=done)
        return
    failed = [path for path in left if execution.runs.get(f"{path}/{COMPENSATE}").attempt]
    execution.trigger_event(
        Execution.AttentionNeeded,
        message=f"{len(failed)} compensations failed for good, and {len(left)} are not done",
        paths=left,
        done_paths=done,
    )


def _with_status(execution: Execution, whole: Iterable[Undo], *, is_done: bool) -> list[str]:
    return [one.path for one in whole if one.is_done(execution.runs) is is_done]
