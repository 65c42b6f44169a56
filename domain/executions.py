"""Execution: one run of a definition, from its input to its end. The facts, and what each changes.

    PENDING ──► RUNNING ◄──► WAITING | PAUSED
                   │
                   ├──► COMPLETED | FAILED | CANCELLED ──────────┐ compensated by request
                   ├──► COMPENSATING ──► COMPENSATED             │
                   │       ▲   │                                 │
                   │       └───┼─────────────────────────────────┘
                   └───────────┴──► NEEDS_ATTENTION ──► resolved: RUNNING | COMPENSATING

What is decided without the definition is in execution_commands.py; what a worker makes of the
definition in execution_steps.py, and what it reports in execution_outcomes.py. Nothing here waits,
reads a clock or draws a number.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.domain import CanMutateAggregate, event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.event_recording import happening
from domain.execution_events import ExecutionEvents
from domain.execution_frames import Live
from domain.execution_parts import Child, Undoing
from domain.execution_status import ENDED, ExecutionStatus, cancellation
from domain.identifiers import Json, JsonObject
from domain.node_runs import NodeRun, NodeRuns
from domain.run_times import WORKED_ON, RunTime
from domain.signals import SIGNALLED, PendingSignals


class ExecutionNotFound(NotFound):
    """There is no such execution."""


class ExecutionEnded(Refused):
    """This execution has finished or was cancelled; nothing more can happen to it."""


class Execution(ExecutionEvents, Aggregate):
    """Pure nodes record how they ended and no more; effectful ones each attempt and its end, and
    those that are free and safe to repeat only its end.
    """

    TOPIC = "execution"
    # Derived or told by a driver, and so no part of what makes two executions equal (ADR 0018).
    __slots__ = ("known_ids", "live", "webhook_path")

    class Created(Aggregate.Created):
        """parent_path: of the node that started it. depth: how many runs are above it. subject_id,
        data_subject: whose data it works on, when the tenant said so; see subjects.py.
        """

        TOPIC = "execution.created"
        class_version = 3
        workflow_id: str | None
        workflow_version: int | None
        agent_id: str | None
        definition_hash: str
        input: Json
        created_by: str
        parent_id: str | None
        parent_path: str | None
        depth: int
        forked_from_id: str | None
        forked_from_node: str | None
        subject_id: str | None
        data_subject: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Runs had no parents, and came from nowhere."""
            state |= {"parent_id": None, "parent_path": None, "depth": 0}
            state |= {"forked_from_id": None, "forked_from_node": None}

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            state |= {"subject_id": None, "data_subject": None}

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002 # the library's name for it
        workflow_id: str | None,
        workflow_version: int | None,
        agent_id: str | None,
        definition_hash: str,
        input: Json,  # noqa: A002 # the event's name for it
        created_by: str,
        parent_id: str | None = None,
        parent_path: str | None = None,
        depth: int = 0,
        forked_from_id: str | None = None,
        forked_from_node: str | None = None,  # noqa: ARG002 # only the read model tells it
        subject_id: str | None = None,
        data_subject: str | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.workflow_version = workflow_version
        self.agent_id = agent_id
        self.definition_hash = definition_hash
        self.input = input
        self.created_by = created_by
        self.subject_id = None if subject_id is None else UUID(subject_id)
        self.data_subject = data_subject
        self.parent_id = parent_id
        self.parent_path = parent_path
        self.depth = depth
        self.is_fork = forked_from_id is not None
        self.status: ExecutionStatus = "PENDING"
        # Of a run that was tried again, when that was: it has its whole time again.
        self.started_at: datetime | None = None
        self.output: Json = None
        self.error: JsonObject | None = None
        self.run_time = RunTime()
        self.runs = NodeRuns()
        self.signals = PendingSignals()
        self.children: dict[str, Child] = {}
        self.undoing: Undoing | None = None
        # Whether some attempt has reserved anything of a budget.
        self.is_budgeted = False
        # By (path, attempt), of which type and since when: nobody knows what they were billed.
        self.unresolved: dict[tuple[str, int], tuple[str, datetime]] = {}
        # Whether what it was given and made can be read.
        self.has_payloads = True
        self.is_erased = False
        self.roots: JsonObject = {
            "input": input,
            "execution": {
                "id": str(id),
                "workflow_id": workflow_id,
                "workflow_version": workflow_version,
                "agent_id": agent_id,
                "parent_id": parent_id,
                "created_by": created_by,
                "created_at": self.created_on.isoformat(),
            },
        }
        self.live = Live()
        self.webhook_path: str | None = None

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    @property
    def nodes(self) -> dict[str, NodeRun]:
        """By path, every node of which something is recorded, without iterations that ended."""
        return self.runs.by_path

    def trigger_event(self, event_class: type[CanMutateAggregate[Any]], **kwargs: Any) -> None:
        """The library's, made cheaper (see event_recording.py)."""
        self.record(event_class, happening(event_class, kwargs))

    def become(self, at: datetime) -> None:
        self._modified_on = at
        if self.run_time.since is None or self.status not in WORKED_ON:
            self.run_time.follow(self.status, at)

    def running_attempts(self) -> list[tuple[str, int]]:
        """(path, number) of every recorded attempt whose end is not recorded."""
        return list(self.runs.running.items())

    def _go_on(self) -> None:
        if self.status == "WAITING":
            self.status = "RUNNING"

    def _end(self, status: ExecutionStatus) -> None:
        self.status = status
        self.runs.stop()
        self.live = Live(self.live)

    @event(ExecutionEvents.Started)
    def _started(self, timestamp: datetime) -> None:
        self.status = "RUNNING"
        self.started_at = timestamp

    @event(ExecutionEvents.NodeStarted)
    def _node_started(
        self,
        path: str,
        node_type: str,
        attempt: int,
        idempotency_key: str,
        reserved: JsonObject | None,
        timestamp: datetime,
    ) -> None:
        self._go_on()
        self.is_budgeted = self.is_budgeted or reserved is not None
        self.runs.start(
            path, node_type, attempt, idempotency_key=idempotency_key, begun_at=timestamp
        )

    @event(ExecutionEvents.NodeCompleted)
    def _node_completed(
        self, path: str, node_type: str, attempt: int, output: Json, ports: list[str]
    ) -> None:
        self._go_on()
        if node_type in SIGNALLED:
            self.signals.take_for(node_type, self.runs.get(path).awaited)
        self.runs.complete(path, NodeRun("COMPLETED", node_type, attempt, output, tuple(ports)))

    @event(ExecutionEvents.NodeFailed)
    def _node_failed(
        self,
        path: str,
        node_type: str,
        attempt: int,
        code: str,
        message: str,
        retry_at: str | None,
        timestamp: datetime,
    ) -> None:
        self._go_on()
        error: JsonObject = {"code": code, "message": message, "attempt": attempt}
        when = None if retry_at is None else datetime.fromisoformat(retry_at)
        self.runs.fail(path, node_type, error, retry_at=when, failed_at=timestamp)

    @event(ExecutionEvents.NodeDoubted)
    def _node_doubted(self, path: str, attempt: int, code: str, message: str) -> None:
        self.runs.doubt(path, {"code": code, "message": message, "attempt": attempt})

    @event(ExecutionEvents.UsageUnresolved)
    def _usage_unresolved(
        self, path: str, attempt: int, node_type: str, timestamp: datetime
    ) -> None:
        self.unresolved[path, attempt] = (node_type, timestamp)

    @event(ExecutionEvents.UsageResolved)
    def _usage_resolved(self, path: str, attempt: int) -> None:
        del self.unresolved[path, attempt]

    @event(ExecutionEvents.NodesSkipped)
    def _nodes_skipped(self, paths: list[str]) -> None:
        for path in paths:
            self.runs.skip(path)

    @event(ExecutionEvents.NodeOpened)
    def _node_opened(self, path: str, node_type: str, keeps_results: bool) -> None:
        self._go_on()
        self.runs.open(path, node_type, keeps_results=keeps_results)

    @event(ExecutionEvents.IterationEnded)
    def _iteration_ended(
        self,
        path: str,
        index: int,
        output: Json,
        error: JsonObject | None,
        compensations: list[JsonObject],
    ) -> None:
        for told in compensations:
            self.runs.keep(told)
        self.runs.end_iteration(path, index, output, error)

    @event(ExecutionEvents.NodeSuspended)
    def _node_suspended(
        self, path: str, node_type: str, attempt: int, request: JsonObject, until: str | None
    ) -> None:
        self._go_on()
        when = None if until is None else datetime.fromisoformat(until)
        self.runs.wait(path, node_type, attempt=attempt, awaited=request, until=when)

    @event(ExecutionEvents.ChildStarted)
    def _child_started(
        self,
        path: str,
        node_type: str,
        attempt: int,
        child_id: str,
        is_awaited: bool,
        on_parent_close: str,
    ) -> None:
        self._go_on()
        self.children[child_id] = Child(path, on_parent_close)
        if is_awaited:
            awaited: JsonObject = {"child_id": child_id}
            self.runs.wait(path, node_type, attempt=attempt, awaited=awaited, until=None)

    @event(ExecutionEvents.ChildEnded)
    def _child_ended(
        self, path: str, child_id: str, status: str, output: Json, error: JsonObject | None
    ) -> None:
        self._go_on()
        self.children.pop(child_id, None)
        awaited = self.runs.get(path).awaited
        if awaited is not None and awaited.get("child_id") == child_id:
            self.runs.answer(path, {"status": status, "output": output, "error": error})

    @event(ExecutionEvents.Signalled)
    def _signalled(self, name: str, payload: Json) -> None:
        self._go_on()
        self.signals.keep(name, payload)

    @event(ExecutionEvents.ApprovalDecided)
    def _approval_decided(
        self, path: str, decision: str, comment: str | None, edits: Json, decided_by: str
    ) -> None:
        self._go_on()
        answer: JsonObject = {"decision": decision, "comment": comment, "edits": edits}
        self.runs.answer(path, {**answer, "decided_by": decided_by})

    @event(ExecutionEvents.Suspended)
    def _suspended(self) -> None:
        self.status = "WAITING"

    @event(ExecutionEvents.Paused)
    def _paused(self) -> None:
        self.status = "PAUSED"

    @event(ExecutionEvents.Resumed)
    def _resumed(self) -> None:
        self.status = "PENDING" if self.started_at is None else "RUNNING"

    @event(ExecutionEvents.CompensationStarted)
    def _compensation_started(self, reason: str, error: JsonObject | None) -> None:
        self.status = "COMPENSATING"
        self.undoing = Undoing(reason, error)
        self.error = error or self.error
        self.runs.waiting.clear()
        self.runs.doubted.clear()
        self.live = Live(self.live)

    @event(ExecutionEvents.AttentionNeeded)
    def _attention_needed(self) -> None:
        self.status = "NEEDS_ATTENTION"
        self.live = Live(self.live)

    @event(ExecutionEvents.Resolved)
    def _resolved(
        self, path: str, node_type: str, outcome: str, output: Json, timestamp: datetime
    ) -> None:
        self.status = "RUNNING" if self.undoing is None else "COMPENSATING"
        run = self.runs.get(path)
        if outcome != "retry":
            self.runs.complete(path, NodeRun("COMPLETED", node_type, run.attempt, output))
            return
        again = replace(run, status="WAITING", node_type=node_type, attempts_before=run.attempt)
        self.runs.try_again(path, again, timestamp)

    @event(ExecutionEvents.Retried)
    def _retried(self, paths: list[str], timestamp: datetime) -> None:
        self.status = "PENDING" if self.started_at is None else "RUNNING"
        if self.started_at is not None:
            self.started_at = timestamp
        self.error = None
        self.live = Live(self.live)
        for path in paths:
            self.runs.reopen(path)

    @event(ExecutionEvents.NodeCopied)
    def _node_copied(self, path: str, node_type: str, output: Json, ports: list[str]) -> None:
        self.runs.complete(path, NodeRun("COMPLETED", node_type, 0, output, tuple(ports)))

    @event(ExecutionEvents.Upgraded)
    def _upgraded(self, definition_hash: str, workflow_version: int) -> None:
        self.definition_hash = definition_hash
        self.workflow_version = workflow_version
        self.live = Live(self.live)

    @event(ExecutionEvents.Completed)
    def _completed(self, output: Json) -> None:
        self.output = output
        self._end("COMPLETED")

    @event(ExecutionEvents.Failed)
    def _failed(self, path: str | None, attempt: int | None, code: str, message: str) -> None:
        self.error = {"code": code, "message": message, "path": path, "attempt": attempt}
        self._end("FAILED")

    @event(ExecutionEvents.Cancelled)
    def _cancelled(self, reason: str | None) -> None:
        self.error = cancellation(reason)
        self._end("CANCELLED")

    @event(ExecutionEvents.RunMetered)
    def _run_metered(self, attempt: int) -> None:
        self.run_time.metered_count = attempt

    @event(ExecutionEvents.PayloadsRemoved)
    def _payloads_removed(self) -> None:
        self.has_payloads = False

    @event(ExecutionEvents.Erased)
    def _erased(self) -> None:
        self.has_payloads = False
        self.is_erased = True

    @event(ExecutionEvents.Compensated)
    def _compensated(self) -> None:
        self._end("COMPENSATED")
