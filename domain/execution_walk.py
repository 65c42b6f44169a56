"""Walking through the flows of a run: from what was decided to what can be done now.

    changed frames ──► ready nodes ──► pure: recorded │ effect: an attempt │ wait, body: opened
           ▲                                  │
           └── an iteration ended, a body ended, something came ◄──┘

A walk is bounded: what would make it too long is left for the next one.
"""

from datetime import datetime, timedelta
from typing import assert_never

from domain.attempts import (
    ABANDONED_RUNNING,
    ABANDONED_WAITING,
    Attempt,
    Failure,
    Result,
    expression_failure,
    payload_result,
    request_of,
    result_of,
)
from domain.definition_graph import END
from domain.definitions import Definition
from domain.execution_answers import answer_to
from domain.execution_compensation import compensations_in, fail
from domain.execution_frames import Holder, LiveFrame, known_roots
from domain.execution_outcomes import record, with_room
from domain.execution_parts import text_id
from domain.executions import Execution
from domain.expressions import ExpressionFailed
from domain.flows import Node
from domain.identifiers import Json, JsonObject
from domain.node_runs import NodeRun, NodeRuns, id_of, prefix_of
from domain.node_types import FREE, BodyNode, EffectfulNode, PureNode, WaitingNode
from domain.payloads import PayloadRefused, require_payload

STEP_EVENTS_MAX = 500


def run_ends_at(execution: Execution, definition: Definition) -> datetime | None:
    """When the run has taken too long: for its definition, or for the plan of its tenant."""
    own, of_plan = definition.timeout_s, execution.live.seconds_max
    if own is None or (of_plan is not None and of_plan < own):
        own = of_plan
    if own is None or execution.started_at is None:
        return None
    return execution.started_at + timedelta(seconds=own)


class Walk:
    """live: as it is when the walk begins. An event that ends the run, or has it undone, gives it
    another one, and the walk is over.
    """

    __slots__ = ("at", "attempts", "definition", "execution", "live", "runs")

    def __init__(self, execution: Execution, definition: Definition, at: datetime) -> None:
        self.execution = execution
        self.definition = definition
        self.at = at
        self.attempts: list[Attempt] = []
        self.runs = execution.runs
        self.live = execution.live

    def _too_long(self) -> tuple[str, str]:
        own, of_plan = self.definition.timeout_s, self.live.seconds_max
        if own is None or (of_plan is not None and of_plan < own):
            return "plan_run_duration", f"the plan lets a run take {of_plan} s"
        return "run_timeout", f"the run took longer than {own:g} s"

    def take(self) -> list[Attempt]:
        """What to attempt, unless the run has ended by then."""
        ends_at = run_ends_at(self.execution, self.definition)
        if ends_at is not None and ends_at <= self.at:
            fail(self.execution, self.definition, *self._too_long())
            return []
        if not self.live.frames:
            self._restore()
            self._run_changed()
        if self.runs.waiting:
            self._take_what_came()
        self._run_changed()
        return self.attempts

    def _restore(self) -> None:
        """Derive the frames of a run that was loaded, outer ones first."""
        roots = known_roots(self.execution.roots, self.execution.webhook_path)
        run_id = text_id(self.execution.roots)
        self._run(self.live.outermost(self.definition.flow, roots, self.runs, run_id))
        if self._is_over():
            return
        for path in sorted(self.runs.bodies, key=lambda path: path.count("/")):
            frame = self.live.frames.get(prefix_of(path))
            if frame is not None and self.runs.get(path).status == "RUNNING":
                self._iterate(frame, frame.flow.nodes[id_of(path)])

    def _run_changed(self) -> None:
        execution, live = self.execution, self.live
        changed = live.changed
        while changed and execution.live is live:
            if len(execution.pending_events) > STEP_EVENTS_MAX:
                return
            prefix = next(iter(changed))
            del changed[prefix]
            frame = live.frames.get(prefix)
            if frame is not None:
                self._run(frame)

    def _is_over(self) -> bool:
        return self.execution.live is not self.live

    def _run(self, frame: LiveFrame) -> None:
        frontier, prefix = frame.frontier, frame.prefix
        while True:
            known = self.runs.frames.get(prefix)
            if known is not None:
                frontier.follow(known.decided)
            if frontier.failed is not None or frontier.ended is not None:
                break
            node = frontier.next_ready()
            if node is None:
                break
            if node.type == END and frame.holder is not None:
                self._record_skipped(frame)
                self._end_iteration(frame, result_of_end(frame, node, self.runs))
                return
            self._begin(frame, node)
        # All that was decided in it up to here was followed.
        self.live.changed.pop(prefix, None)
        if frontier.skipped:
            self._record_skipped(frame)
        if frontier.failed is not None:
            self._fail(frame, frontier.failed)
        elif frontier.ended is not None:
            self._complete(frontier.ended)
        elif not frontier.begun:
            failure = Failure("end_not_reached", "every path ended before it came to an end node")
            self._fail_frame(frame, failure, None)

    def _record_skipped(self, frame: LiveFrame) -> None:
        if skipped := frame.frontier.take_skipped():
            paths = [frame.prefix + node_id for node_id in skipped]
            self.execution.trigger_event(Execution.NodesSkipped, paths=paths)

    def _begin(self, frame: LiveFrame, node: Node) -> None:
        config = node.config
        if config.kind == "effect":
            self._attempt(frame, node, config)
        elif config.kind == "pure":
            outcome = result_of(config, frame.scope_of(node, self.runs))
            record(self.execution, outcome, frame.prefix + node.id, node.type)
        elif config.kind == "wait":
            self._wait(frame, node, config)
        elif config.kind == "body":
            self.execution.trigger_event(
                Execution.NodeOpened,
                path=frame.prefix + node.id,
                node_type=node.type,
                keeps_results=not config.is_sequential,
            )
            self._iterate(frame, node)
        else:
            assert_never(config)

    def _attempt(self, frame: LiveFrame, node: Node, config: EffectfulNode) -> None:
        """The next attempt at a node; a failure when its config cannot be rendered."""
        path = frame.prefix + node.id
        before = self.runs.get(path)
        number = before.attempt + 1
        request = request_of(config, frame.scope_of(node, self.runs))
        if isinstance(request, Failure):
            record(self.execution, request, path, node.type, attempt=number)
            return
        self.attempts.append(
            Attempt(
                path,
                node.type,
                number,
                request,
                node.timeout_s if node.deadline_s is None else self._left_s(node, before),
                before.key_to_repeat() or f"{frame.key}{node.id}:{number}",
                node.has_intent,
                node.heartbeat_s,
                config.secrets,
            )
        )

    def _left_s(self, node: Node, before: NodeRun) -> float:
        """Of one attempt: no longer than what is left for all of them."""
        assert node.deadline_s is not None
        begun_at = before.begun_at or self.at
        left_s = node.deadline_s - (self.at - begun_at).total_seconds()
        return max(0.001, min(node.timeout_s, left_s))

    def _wait(self, frame: LiveFrame, node: Node, config: WaitingNode) -> None:
        path = frame.prefix + node.id
        try:
            wait = config.wait(frame.scope_of(node, self.runs), self.at)
            require_payload(wait.request, "rendered config")
        except ExpressionFailed as failed:
            record(self.execution, expression_failure(failed), path, node.type)
            return
        except PayloadRefused as refusal:
            record(self.execution, Failure(refusal.code, refusal.message), path, node.type)
            return
        self.execution.trigger_event(
            Execution.NodeSuspended,
            path=path,
            node_type=node.type,
            attempt=1,
            request=wait.request,
            until=None if wait.until is None else wait.until.isoformat(),
        )
        self._look_at(path, frame, node)

    def _take_what_came(self) -> None:
        """Whatever waits and has something to go on with."""
        for path in list(self.runs.waiting):
            frame = self.live.frames.get(prefix_of(path))
            if frame is not None and not self._is_over():
                self._look_at(path, frame, frame.flow.nodes[id_of(path)])

    def _look_at(self, path: str, frame: LiveFrame, node: Node) -> None:
        due, run = self.runs.waiting[path], self.runs.get(path)
        is_due = due is not None and due <= self.at
        if run.awaited is None:
            if is_due and path not in self.live.in_flight:
                assert node.config.kind == "effect"
                self._attempt(frame, node, node.config)
            return
        answer = answer_to(run, self.execution.signals)
        if answer is None and is_due:
            assert isinstance(node.config, WaitingNode)
            answer = node.config.timed_out(self.at)
        if answer is not None:
            record(self.execution, answer, path, node.type, attempt=run.attempt)

    def _iterate(self, frame: LiveFrame, node: Node) -> None:
        """Open the iterations of a body that may run now, or end it."""
        assert isinstance(node.config, BodyNode)
        path = frame.prefix + node.id
        known = self.runs.bodies[path].known
        memory = self.live.memory.setdefault(path, {})
        try:
            following = node.config.next_iterations(frame.scope_of(node, self.runs), known, memory)
        except ExpressionFailed as failed:
            following = expression_failure(failed)
        match following:
            case Result():
                self._forget(f"{path}[")
                record(self.execution, payload_result(following, FREE), path, node.type)
            case Failure():
                self._fail_body(Holder(frame, node, 0), following)
            case _:
                for iteration in following:
                    holder = Holder(frame, node, iteration.index)
                    opened = self.live.iteration(holder, iteration, self.runs)
                    if opened is not None:
                        self.live.changed[opened.prefix] = None

    def _end_iteration(self, frame: LiveFrame, outcome: Result | Failure) -> None:
        outcome = with_room(self.execution, outcome)
        if isinstance(outcome, Failure):
            self._fail_frame(frame, outcome, None)
            return
        self._close_iteration(frame, outcome.output, None)

    def _close_iteration(self, frame: LiveFrame, output: Json, error: JsonObject | None) -> None:
        holder = frame.holder
        assert holder is not None
        self._abandon(frame.prefix)
        self.execution.trigger_event(
            Execution.IterationEnded,
            path=holder.path,
            index=holder.index,
            output=output,
            error=error,
            compensations=compensations_in(frame, self.execution, self.definition),
        )
        self._forget(frame.prefix)
        self._iterate(holder.frame, holder.node)

    def _fail(self, frame: LiveFrame, node_id: str) -> None:
        path = frame.prefix + node_id
        error = self.runs.get(path).error
        assert error is not None
        failure = Failure(str(error["code"]), str(error["message"]))
        self._fail_frame(frame, failure, path)

    def _fail_frame(self, frame: LiveFrame, failure: Failure, path: str | None) -> None:
        """path: of the node that failed."""
        holder = frame.holder
        if holder is None:
            self._fail_run(frame, failure, path)
            return
        assert isinstance(holder.node.config, BodyNode)
        if holder.node.config.keeps_errors():
            error: JsonObject = {"code": failure.code, "message": failure.message, "path": path}
            self._close_iteration(frame, None, error)
            return
        where = path or f"{holder.path}[{holder.index}]"
        self._fail_body(holder, Failure(failure.code, f"{where}: {failure.message}"))

    def _fail_body(self, holder: Holder, failure: Failure) -> None:
        """What else of it runs is given up. Its frames stay known, for somebody may retry it."""
        self._abandon(f"{holder.path}[")
        self._forget(f"{holder.path}[")
        record(self.execution, failure, holder.path, holder.node.type)

    def _fail_run(self, frame: LiveFrame, failure: Failure, path: str | None) -> None:
        handler = self.definition.on_error
        if handler is not None and self.live.caught is None:
            self._catch(frame, failure, path, handler)
            return
        # What went wrong first says more than what went wrong with it.
        path = self.live.caught or path
        run = self.runs.get(path or "")
        code, message = failure.code, failure.message
        if path is not None and run.error is not None:
            code = str(run.error["code"])
            message = f"node {path} failed at attempt {run.attempt}: {code}: {run.error['message']}"
        attempt = run.attempt if path is not None else None
        fail(self.execution, self.definition, code, message, path=path, attempt=attempt)

    def _catch(self, frame: LiveFrame, failure: Failure, path: str | None, handler: str) -> None:
        """Leave everything, and go on at the handler of errors; or find that this was done."""
        self.live.caught = path or ""
        if self.runs.get(handler).status == "PENDING":
            self._abandon("")
            self._forget_bodies()
            self.attempts.clear()
        attempt = self.runs.get(path or "").attempt
        error: JsonObject = {
            "code": failure.code,
            "message": failure.message,
            "path": path,
            "attempt": attempt,
        }
        frame.know("error", error)
        frame.frontier.follow(self.runs.frame("").decided)
        frame.frontier.go_on_at(handler)
        self.live.changed[""] = None

    def _complete(self, node_id: str) -> None:
        """An end is reached. What still runs is given up: a join "any" has its winner."""
        self._abandon("")
        self.execution.trigger_event(Execution.Completed, output=self.runs.get(node_id).output)

    def _abandon(self, prefix: str) -> None:
        for path in self.runs.unfinished_in(prefix):
            run = self.runs.get(path)
            is_attempt = path in self.runs.running
            failure = ABANDONED_RUNNING if is_attempt else ABANDONED_WAITING
            record(self.execution, failure, path, run.node_type, attempt=run.attempt)

    def _forget(self, prefix: str) -> None:
        self.live.forget(prefix)
        self.attempts[:] = [one for one in self.attempts if not one.path.startswith(prefix)]

    def _forget_bodies(self) -> None:
        for prefix in [one for one in self.live.frames if one]:
            self.live.frames.pop(prefix, None)
        self.live.in_flight.clear()
        self.live.memory.clear()


def result_of_end(frame: LiveFrame, node: Node, runs: NodeRuns) -> Result | Failure:
    """What an iteration outputs."""
    assert isinstance(node.config, PureNode)
    return result_of(node.config, frame.scope_of(node, runs))
