"""Execution: one run of a definition, from its input to its end.

    PENDING ──► RUNNING ──► COMPLETED | FAILED
       └───────────┴──────► CANCELLED

A worker calls `advance`, stores what it recorded, performs the attempts it returned, reports each
with `complete_node` or `fail_node`, and calls `advance` again. Nothing here waits, reads a clock or
draws a number.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from domain.attempts import (
    ABANDONED_RUNNING,
    ABANDONED_WAITING,
    FREE,
    INTERRUPTED,
    UNKNOWN_OUTCOMES_MAX,
    Attempt,
    Failure,
    Usage,
    inline_result,
    retry_at,
)
from domain.definitions import Definition
from domain.errors import NotFound, Refused
from domain.execution_frontier import Frontier
from domain.execution_steps import Step
from domain.identifiers import Json, JsonObject
from domain.node_runs import NodeRun, NodeRuns
from domain.node_types import Result
from domain.payloads import capped

ExecutionStatus: TypeAlias = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]


class ExecutionNotFound(NotFound):
    """There is no such execution."""


class ExecutionEnded(Refused):
    """This execution has finished or was cancelled; nothing more can happen to it."""


class Execution(Aggregate):
    """Pure nodes record how they ended and no more; effectful ones each attempt and its end."""

    TOPIC = "execution"
    # Derived from the rest, and so no part of what makes two executions equal.
    __slots__ = ("_frontier",)

    class Created(Aggregate.Created):
        TOPIC = "execution.created"
        workflow_id: str | None
        workflow_version: int | None
        agent_id: str | None
        definition_hash: str
        input: Json
        created_by: str

    class Started(Aggregate.Event):
        TOPIC = "execution.started"

    class NodeStarted(Aggregate.Event):
        TOPIC = "execution.node_started"
        path: str
        node_type: str
        attempt: int
        request: JsonObject
        idempotency_key: str

    class NodeCompleted(Aggregate.Event):
        """ports: those whose edges are taken; none are the edges without a port."""

        TOPIC = "execution.node_completed"
        path: str
        node_type: str
        attempt: int
        output: Json
        ports: list[str]
        model: str | None
        tokens_in: int
        tokens_out: int
        cost_usd_pico: int | None

    class NodeFailed(Aggregate.Event):
        """retry_at: RFC 3339; None when the node failed for good."""

        TOPIC = "execution.node_failed"
        path: str
        node_type: str
        attempt: int
        code: str
        message: str
        retry_at: str | None
        model: str | None
        tokens_in: int
        tokens_out: int
        cost_usd_pico: int | None

    class NodesSkipped(Aggregate.Event):
        TOPIC = "execution.nodes_skipped"
        paths: list[str]

    class Completed(Aggregate.Event):
        TOPIC = "execution.completed"
        output: Json

    class Failed(Aggregate.Event):
        """path, attempt: of the node that failed. stopped_paths: what else ran or waited."""

        TOPIC = "execution.failed"
        path: str | None
        attempt: int | None
        code: str
        message: str
        stopped_paths: list[str]

    class Cancelled(Aggregate.Event):
        TOPIC = "execution.cancelled"
        reason: str | None
        stopped_paths: list[str]

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
    ) -> None:
        self.workflow_id = workflow_id
        self.workflow_version = workflow_version
        self.agent_id = agent_id
        self.definition_hash = definition_hash
        self.input = input
        self.created_by = created_by
        self.status: ExecutionStatus = "PENDING"
        self.output: Json = None
        self._runs = NodeRuns()
        self._roots: JsonObject = {
            "input": input,
            "execution": {
                "id": str(id),
                "workflow_id": workflow_id,
                "workflow_version": workflow_version,
                "agent_id": agent_id,
                "created_by": created_by,
                "created_at": self.created_on.isoformat(),
            },
        }
        self._frontier: Frontier | None = None

    @property
    def is_ended(self) -> bool:
        return self.status not in ("PENDING", "RUNNING")

    @property
    def nodes(self) -> dict[str, NodeRun]:
        """By path, every node of which something is recorded."""
        return self._runs.by_path

    def running_paths(self) -> list[str]:
        return list(self._runs.running)

    def running_attempts(self) -> list[tuple[str, int]]:
        """(path, number) of every attempt whose end is not recorded."""
        return list(self._runs.running.items())

    def next_wake_at(self) -> datetime | None:
        """When the earliest retry is due."""
        return min(self._runs.waiting.values(), default=None)

    def advance(self, definition: Definition, *, now: datetime) -> list[Attempt]:
        """Do all that can be done at once, and say what a worker is to do next.

        Called again without news it records nothing and returns nothing.
        """
        if self.is_ended:
            return []
        assert definition.hash == self.definition_hash
        if self.status == "PENDING":
            self._started()
        if self._frontier is None:
            self._frontier = Frontier(definition)
        frontier = self._frontier
        step = Step(self.id, self._runs, self._roots, self._record)
        attempts = step.take(definition, frontier, now)
        if skipped := frontier.take_skipped(self.nodes):
            self._nodes_skipped(skipped)
        if frontier.failed is not None:
            self._fail_by(frontier.failed)
        elif frontier.ended is not None:
            self._complete_by(frontier.ended)
        elif not attempts and not self._runs.unfinished():
            message = "every path ended before it came to an end node"
            self._fail("end_not_reached", message)
        if self.is_ended:
            return []
        for attempt in attempts:
            self._begin(attempt)
        return attempts

    def complete_node(self, path: str, attempt: int, output: Json, usage: Usage) -> None:
        """The outcome of an attempt. Nothing, unless exactly this attempt is running."""
        if self._runs.running.get(path) == attempt:
            outcome = inline_result(Result(output), usage)
            self._record(outcome, path, self.nodes[path].node_type, attempt, usage=usage)

    def fail_node(
        self, definition: Definition, path: str, attempt: int, failure: Failure, *, now: datetime
    ) -> None:
        """An attempt without outcome. Nothing, unless exactly this attempt is running."""
        if self._runs.running.get(path) == attempt:
            when = retry_at(definition.nodes[path], attempt, failure, now)
            self._record(failure, path, self.nodes[path].node_type, attempt, when=when)

    def interrupt(
        self,
        definition: Definition,
        *,
        now: datetime,
        except_for: Collection[tuple[str, int]] = (),
    ) -> None:
        """Nobody will report the running attempts any more: what they did is unknown.

        except_for: (path, number) of attempts that somebody still reports.
        """
        for path, attempt in self.running_attempts():
            if (path, attempt) not in except_for:
                run = self.nodes[path]
                is_retried = definition.nodes[path].on_unknown == "retry"
                when = now if is_retried and run.unknown_outcomes < UNKNOWN_OUTCOMES_MAX else None
                self._record(INTERRUPTED, path, run.node_type, attempt, when=when)

    def cancel(self, reason: str | None) -> None:
        """Cancelling twice is once."""
        if self.status == "CANCELLED":
            return
        if self.is_ended:
            raise ExecutionEnded(execution_id=str(self.id), status=self.status)
        self.trigger_event(
            Execution.Cancelled,
            reason=None if reason is None else capped(reason),
            stopped_paths=self._runs.unfinished(),
        )

    def _begin(self, attempt: Attempt) -> None:
        self.trigger_event(
            Execution.NodeStarted,
            path=attempt.path,
            node_type=attempt.node_type,
            attempt=attempt.number,
            request=attempt.request,
            idempotency_key=attempt.idempotency_key,
        )

    def _record(
        self,
        outcome: Result | Failure,
        path: str,
        node_type: str,
        attempt: int,
        *,
        usage: Usage = FREE,
        when: datetime | None = None,
    ) -> None:
        """How a node, or an attempt at it, ended. when: of the next attempt; None is for good."""
        place = {"path": path, "node_type": node_type, "attempt": attempt}
        if isinstance(outcome, Failure):
            self.trigger_event(
                Execution.NodeFailed,
                **place,
                code=outcome.code,
                message=capped(outcome.message),
                retry_at=None if when is None else when.isoformat(),
                **outcome.usage.facts(),
            )
        else:
            self.trigger_event(
                Execution.NodeCompleted,
                **place,
                output=outcome.output,
                ports=list(outcome.ports),
                **usage.facts(),
            )

    def _complete_by(self, path: str) -> None:
        """An end is reached. What still runs is given up: a join "any" has its winner."""
        for other in self._runs.unfinished():
            run = self.nodes[other]
            failure = ABANDONED_RUNNING if run.status == "RUNNING" else ABANDONED_WAITING
            self._record(failure, other, run.node_type, run.attempt)
        self._completed(self.nodes[path].output)

    def _fail_by(self, path: str) -> None:
        run = self.nodes[path]
        assert run.error is not None
        code = str(run.error["code"])
        message = f"node {path} failed at attempt {run.attempt}: {code}: {run.error['message']}"
        self._fail(code, message, path=path, attempt=run.attempt)

    def _fail(
        self, code: str, message: str, *, path: str | None = None, attempt: int | None = None
    ) -> None:
        self.trigger_event(
            Execution.Failed,
            path=path,
            attempt=attempt,
            code=code,
            message=capped(message),
            stopped_paths=self._runs.unfinished(),
        )

    @event(Started)
    def _started(self) -> None:
        self.status = "RUNNING"

    @event(NodeStarted)
    def _node_started(self, path: str, node_type: str, attempt: int, idempotency_key: str) -> None:
        self._runs.start(path, node_type, attempt, idempotency_key)

    @event(NodeCompleted)
    def _node_completed(
        self, *, path: str, node_type: str, attempt: int, output: Json, ports: list[str]
    ) -> None:
        run = NodeRun("COMPLETED", node_type, attempt, output, tuple(ports))
        self._runs.complete(path, run)

    @event(NodeFailed)
    def _node_failed(
        self,
        *,
        path: str,
        node_type: str,
        attempt: int,
        code: str,
        message: str,
        retry_at: str | None,
    ) -> None:
        error: JsonObject = {"code": code, "message": message, "attempt": attempt}
        when = None if retry_at is None else datetime.fromisoformat(retry_at)
        self._runs.fail(path, node_type, error, when)

    @event(NodesSkipped)
    def _nodes_skipped(self, paths: list[str]) -> None:
        for path in paths:
            self._runs.skip(path)

    @event(Completed)
    def _completed(self, output: Json) -> None:
        self.output = output
        self.status = "COMPLETED"
        self._runs.stop()

    @event(Failed)
    def _failed(self) -> None:
        self.status = "FAILED"
        self._runs.stop()

    @event(Cancelled)
    def _cancelled(self) -> None:
        self.status = "CANCELLED"
        self._runs.stop()
