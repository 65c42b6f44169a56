"""What is known of the nodes of one run: the state of each, and what the nodes after it see.

PENDING ──► RUNNING ──► COMPLETED | FAILED
   │          ▲  │
   │          │  └────► WAITING for its next attempt
   │          └────────────┘
   └──► COMPLETED | FAILED (pure nodes, at once) | SKIPPED
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from domain.attempts import UNKNOWN_OUTCOME
from domain.definition_nodes import Edge
from domain.definitions import Node
from domain.identifiers import Json, JsonObject
from domain.node_types import ERROR_PORT, Scope

# No answer came, so the effect may have happened: the next attempt goes out under the same key.
UNANSWERED = frozenset({UNKNOWN_OUTCOME, "interrupted", "timeout", "unavailable"})

NodeStatus: TypeAlias = Literal["PENDING", "RUNNING", "WAITING", "COMPLETED", "FAILED", "SKIPPED"]


@dataclass(frozen=True, slots=True)
class NodeRun:
    """attempt: the newest one, and idempotency_key is its key. error: {code, message, attempt}.

    unknown_outcomes: how many attempts in a row ended as nobody knows.
    """

    status: NodeStatus
    node_type: str = ""
    attempt: int = 0
    output: Json = None
    ports: tuple[str, ...] = ()
    retry_at: datetime | None = None
    error: JsonObject | None = None
    idempotency_key: str | None = None
    unknown_outcomes: int = 0

    def takes(self, edge: Edge) -> bool:
        """Whether the run goes on along this edge, one of those that leave this node."""
        if self.status == "COMPLETED":
            return edge.port in self.ports if self.ports else edge.port is None
        return self.status == "FAILED" and edge.port == ERROR_PORT

    def key_to_repeat(self) -> str | None:
        """The idempotency key under which the next attempt must go out again."""
        is_unanswered = self.error is not None and self.error["code"] in UNANSWERED
        return self.idempotency_key if is_unanswered else None


NOT_BEGUN = NodeRun("PENDING")


@dataclass(slots=True)
class NodeRuns:
    """running: the attempt by path. waiting: when the next attempt is due, by path.

    decided: completed, failed for good or skipped; in that order. visible: `nodes` in expressions.
    """

    by_path: dict[str, NodeRun] = field(default_factory=dict[str, NodeRun])
    running: dict[str, int] = field(default_factory=dict[str, int])
    waiting: dict[str, datetime] = field(default_factory=dict[str, datetime])
    decided: list[str] = field(default_factory=list[str])
    visible: JsonObject = field(default_factory=dict[str, Json])

    def get(self, path: str) -> NodeRun:
        return self.by_path.get(path, NOT_BEGUN)

    def unfinished(self) -> list[str]:
        return [*self.running, *self.waiting]

    def scope_of(self, node: Node, roots: JsonObject) -> Scope:
        """roots: those that do not depend on the node."""
        visible = self.visible
        if node.before is not None:
            visible = {path: visible[path] for path in node.before if path in visible}
        incoming: dict[str, Json] = {}
        for edge in node.incoming:
            source = self.get(edge.source)
            if source.takes(edge):
                is_complete = source.status == "COMPLETED"
                incoming[edge.source] = source.output if is_complete else {"error": source.error}
        return Scope({**roots, "nodes": visible}, incoming)

    def start(self, path: str, node_type: str, attempt: int, idempotency_key: str) -> None:
        before = self.get(path)
        self.by_path[path] = NodeRun(
            "RUNNING",
            node_type,
            attempt,
            error=before.error,
            idempotency_key=idempotency_key,
            unknown_outcomes=before.unknown_outcomes,
        )
        self.running[path] = attempt
        self.waiting.pop(path, None)

    def complete(self, path: str, run: NodeRun) -> None:
        self.by_path[path] = run
        self.visible[path] = {"output": run.output}
        self._decide(path)

    def fail(self, path: str, node_type: str, error: JsonObject, retry_at: datetime | None) -> None:
        """error: {code, message, attempt}."""
        before = self.get(path)
        attempt = error["attempt"]
        assert isinstance(attempt, int)
        is_unknown = error["code"] == UNKNOWN_OUTCOME
        self.by_path[path] = NodeRun(
            "FAILED" if retry_at is None else "WAITING",
            node_type,
            attempt,
            retry_at=retry_at,
            error=error,
            idempotency_key=before.idempotency_key,
            unknown_outcomes=before.unknown_outcomes + 1 if is_unknown else 0,
        )
        if retry_at is None:
            self.visible[path] = {"error": error}
            self._decide(path)
        else:
            self.running.pop(path, None)
            self.waiting[path] = retry_at

    def skip(self, path: str) -> None:
        self.by_path[path] = NodeRun("SKIPPED")
        self._decide(path)

    def stop(self) -> None:
        """The run has ended: nobody waits for anything any more."""
        self.running.clear()
        self.waiting.clear()

    def _decide(self, path: str) -> None:
        self.decided.append(path)
        self.running.pop(path, None)
        self.waiting.pop(path, None)
