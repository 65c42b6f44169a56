"""What is known of the nodes of one run: the state of each, and what the nodes after it see.

PENDING ──► RUNNING ──► COMPLETED | FAILED
   │          ▲  │
   │          │  └────► WAITING for its next attempt, or for somebody to say what it did
   │          └────────────┘
   ├──► WAITING for a time, a signal, a decision or a child ──► COMPLETED | FAILED
   ├──► RUNNING a body ──► COMPLETED | FAILED
   └──► COMPLETED | FAILED (pure nodes, at once) | SKIPPED

A path names a node in its run: `draft`, `map[3]/draft` inside the fourth run of a body, and
`book/compensate` for what undoes `book`. What a path begins with, up to its last `/`, is its frame.
An iteration that has ended is forgotten, so that a long run stays small.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias

from domain.attempts import ABANDONED, UNKNOWN_OUTCOME
from domain.definition_nodes import Edge
from domain.identifiers import Json, JsonObject
from domain.node_types import ERROR_PORT, Iterations
from domain.payloads import BLOB_QUOTA, payload_bytes
from domain.records import record

# The effect may have happened: the next attempt goes out under the same key. An HTTP status that is
# tried again (429, 5xx) says that the server could not answer, not that it did nothing.
UNANSWERED = frozenset(
    {
        *(UNKNOWN_OUTCOME, "interrupted", "timeout", "unavailable", "no_heartbeat"),
        "http_status",
    }
)
# So may that of an attempt that was made and ended like this: cut off, or with an answer of no use.
# Nodes that never got so far as to make one may end like this too.
UNANSWERED_IF_MADE = frozenset(
    {
        *(ABANDONED, BLOB_QUOTA, "payload_too_large", "invalid_payload", "internal"),
        *("response_too_large", "invalid_response", "too_many_redirects"),
    }
)
COMPENSATE = "compensate"
# How the path of what undoes a node ends, and that of a node of the same name in a body.
_UNDOES, _IN_BODY = f"/{COMPENSATE}", f"]/{COMPENSATE}"
UNNAMED: tuple[str | None, ...] = (None,)
ERROR_PORTS: tuple[str | None, ...] = (ERROR_PORT,)

NodeStatus: TypeAlias = Literal["PENDING", "RUNNING", "WAITING", "COMPLETED", "FAILED", "SKIPPED"]


@record
class NodeRun:
    """attempt: the newest one, and idempotency_key is its key. error: {code, message, attempt}.

    unknown_outcomes: how many attempts in a row ended as nobody knows. attempts_before: those that
    do not count any more, since somebody asked for a retry. begun_at: when the first attempt that
    counts began. awaited: what it waits for. answer: what came. is_unanswered: an attempt since
    the last success brought no answer, so its effect may have happened; a later attempt that was
    refused does not change that.
    """

    status: NodeStatus
    node_type: str = ""
    attempt: int = 0
    output: Json = None
    ports: tuple[str, ...] = ()
    error: JsonObject | None = None
    idempotency_key: str | None = None
    unknown_outcomes: int = 0
    attempts_before: int = 0
    begun_at: datetime | None = None
    awaited: JsonObject | None = None
    answer: JsonObject | None = None
    is_unanswered: bool = False

    @property
    def ports_taken(self) -> tuple[str | None, ...]:
        """The run goes on along the edges that leave this node by one of these."""
        if self.status == "COMPLETED":
            return self.ports or UNNAMED
        return ERROR_PORTS if self.status == "FAILED" else ()

    def takes(self, edge: Edge) -> bool:
        """Whether the run goes on along this edge, one of those that leave this node."""
        return edge.port in self.ports_taken

    def key_to_repeat(self) -> str | None:
        """The idempotency key under which the next attempt must go out again."""
        return self.idempotency_key if self.is_unanswered else None


NOT_BEGUN = NodeRun("PENDING")


@dataclass(slots=True)
class Frame:
    """The nodes of one run of a flow. decided: ids, completed, failed for good or skipped, in that
    order. visible: `nodes` in expressions. paths: all that is known of it.
    """

    decided: list[str] = field(default_factory=lambda: [])
    visible: JsonObject = field(default_factory=lambda: {})
    paths: dict[str, None] = field(default_factory=lambda: {})


@dataclass(slots=True)
class Body:
    """How far the iterations of a loop or map are. keeps_results: of all, not of the last only."""

    keeps_results: bool
    known: Iterations = field(default_factory=Iterations)


@dataclass(frozen=True, slots=True)
class KeptCompensation:
    """What is still to be asked for when an iteration that was forgotten has to be undone.

    request: None when it could not be rendered, for the reason in `problem`.
    """

    path: str
    request: JsonObject | None
    problem: str | None


@dataclass(slots=True, init=False)
class NodeRuns:
    """running: the attempt by path. waiting: by path, when it waits no longer; None is for ever.

    doubted: of unknown outcome, until somebody says. bodies: loops and maps that have not
    completed. kept: of iterations that ended, by path.
    """

    by_path: dict[str, NodeRun]
    running: dict[str, int]
    waiting: dict[str, datetime | None]
    doubted: dict[str, None]
    bodies: dict[str, Body]
    frames: dict[str, Frame]
    kept: dict[str, KeptCompensation]

    def __init__(self) -> None:
        """Nothing has begun."""
        self.by_path = {}
        self.running = {}
        self.waiting = {}
        self.doubted = {}
        self.bodies = {}
        self.frames = {"": Frame([], {}, {})}
        self.kept = {}

    def get(self, path: str) -> NodeRun:
        return self.by_path.get(path, NOT_BEGUN)

    def frame(self, prefix: str) -> Frame:
        """As it is known; empty before its first node is."""
        return self.frames.get(prefix) or Frame()

    def unfinished(self) -> list[str]:
        """Inner ones before those that hold them."""
        is_open = (path for path in self.bodies if self.by_path[path].status == "RUNNING")
        open_bodies = sorted(is_open, key=len, reverse=True)
        return [*self.running, *self.waiting, *self.doubted, *open_bodies]

    def unfinished_in(self, prefix: str) -> list[str]:
        return [path for path in self.unfinished() if path.startswith(prefix)]

    def start(
        self, path: str, node_type: str, attempt: int, *, idempotency_key: str, begun_at: datetime
    ) -> None:
        before = self.get(path)
        # As `replace`, in a tenth of the time: done for every intent.
        run = NodeRun(
            "RUNNING",
            node_type,
            attempt,
            before.output,
            before.ports,
            before.error,
            idempotency_key,
            before.unknown_outcomes,
            before.attempts_before,
            before.begun_at or begun_at,
            before.awaited,
            before.answer,
            before.is_unanswered,
        )
        self._keep(path, run)
        self.running[path] = attempt
        self.waiting.pop(path, None)

    def open(self, path: str, node_type: str, *, keeps_results: bool) -> None:
        self._keep(path, NodeRun("RUNNING", node_type, attempt=1))
        self.bodies[path] = Body(keeps_results)

    def wait(
        self,
        path: str,
        node_type: str,
        *,
        attempt: int,
        awaited: JsonObject,
        until: datetime | None,
    ) -> None:
        self._keep(path, NodeRun("WAITING", node_type, attempt, awaited=awaited))
        self.running.pop(path, None)
        self.waiting[path] = until

    def answer(self, path: str, answer: JsonObject) -> None:
        """What a node waits for has come; it is looked at when the run goes on."""
        self.by_path[path] = replace(self.by_path[path], answer=answer)

    def complete(self, path: str, run: NodeRun) -> None:
        if self.bodies:
            self.bodies.pop(path, None)
        self._decide(path, run, {"output": run.output})

    def fail(
        self,
        path: str,
        node_type: str,
        error: JsonObject,
        *,
        retry_at: datetime | None,
        failed_at: datetime,
    ) -> None:
        """error: {code, message, attempt}."""
        before = self.get(path)
        attempt = error["attempt"]
        assert isinstance(attempt, int)
        run = replace(
            before,
            status="FAILED" if retry_at is None else "WAITING",
            node_type=node_type,
            attempt=attempt,
            error=error,
            unknown_outcomes=self._unknown_outcomes(before, error),
            begun_at=before.begun_at or failed_at,
            is_unanswered=before.is_unanswered or self._is_unanswered(path, error),
        )
        if retry_at is None:
            self._decide(path, run, {"error": error})
        else:
            self._keep(path, run)
            self.running.pop(path, None)
            self.doubted.pop(path, None)
            self.waiting[path] = retry_at

    def doubt(self, path: str, error: JsonObject) -> None:
        """Its outcome is unknown, and somebody has to say what it did."""
        before = self.by_path[path]
        count = self._unknown_outcomes(before, error)
        self.by_path[path] = replace(
            before, status="WAITING", error=error, unknown_outcomes=count, is_unanswered=True
        )
        self.running.pop(path, None)
        self.doubted[path] = None

    def skip(self, path: str) -> None:
        self._decide(path, NodeRun("SKIPPED"), None)

    def keep(self, told: JsonObject) -> None:
        """What an iteration did that can be undone, as its event has it."""
        path, request, problem = str(told["path"]), told["request"], told["problem"]
        self.kept[path] = KeptCompensation(
            path,
            request if isinstance(request, dict) else None,
            problem if isinstance(problem, str) else None,
        )

    def end_iteration(self, path: str, index: int, output: Json, error: JsonObject | None) -> None:
        """The body of `path` has ended once more; what it did is forgotten."""
        body = self.bodies[path]
        known = body.known
        kept_bytes = 0
        if error is not None:
            known.errors[index] = error
            kept_bytes = payload_bytes(error)
        elif body.keeps_results:
            known.results[index] = output
            kept_bytes = payload_bytes(output)
        body.known = Iterations(
            ended=known.ended + 1,
            last=output if error is None else known.last,
            results=known.results,
            errors=known.errors,
            bytes=known.bytes + kept_bytes,
        )
        self.forget(f"{path}[{index}]/")

    def forget(self, prefix: str) -> None:
        """Everything below this frame, and the frame."""
        for known in [one for one in self.frames if one.startswith(prefix)]:
            for path in self.frames.pop(known).paths:
                del self.by_path[path]
                # One that failed was kept, for somebody might have retried it.
                self.bodies.pop(path, None)
                self._settle(path)

    def try_again(self, path: str, run: NodeRun, now: datetime) -> None:
        """Somebody said that a node of unknown outcome, or a compensation, is to be tried again."""
        self._keep(path, run)
        self._settle(path)
        self.waiting[path] = now

    def reopen(self, path: str) -> None:
        """It failed for good, or was stopped, and is to be done again."""
        before = self.by_path[path]
        frame = self.frames[prefix_of(path)]
        if path in self.bodies:
            self.by_path[path] = replace(before, status="RUNNING", error=None)
        else:
            self.by_path[path] = replace(
                before,
                status="PENDING",
                attempts_before=before.attempt,
                unknown_outcomes=0,
                begun_at=None,
                awaited=None,
                answer=None,
                # An attempt that was under way when its run was stopped was never answered.
                is_unanswered=before.is_unanswered or before.status == "RUNNING",
            )
        node_id = id_of(path)
        if node_id in frame.decided:
            frame.decided.remove(node_id)
        frame.visible.pop(node_id, None)

    def stop(self) -> None:
        """The run has ended: nobody waits for anything any more."""
        self.running.clear()
        self.waiting.clear()
        self.doubted.clear()

    def _unknown_outcomes(self, before: NodeRun, error: JsonObject) -> int:
        return before.unknown_outcomes + 1 if error["code"] == UNKNOWN_OUTCOME else 0

    def _is_unanswered(self, path: str, error: JsonObject) -> bool:
        code = error["code"]
        return code in UNANSWERED or (path in self.running and code in UNANSWERED_IF_MADE)

    def _keep(self, path: str, run: NodeRun) -> Frame:
        return self._keep_in(prefix_of(path), path, run)

    def _keep_in(self, prefix: str, path: str, run: NodeRun) -> Frame:
        self.by_path[path] = run
        frame = self.frames.get(prefix)
        if frame is None:
            frame = self.frames[prefix] = Frame()
        frame.paths[path] = None
        return frame

    def _decide(self, path: str, run: NodeRun, seen: JsonObject | None) -> None:
        prefix = prefix_of(path)
        frame = self._keep_in(prefix, path, run)
        node_id = path[len(prefix) :]
        frame.decided.append(node_id)
        if seen is not None:
            frame.visible[node_id] = seen
        if self.running or self.waiting or self.doubted:
            self._settle(path)

    def _settle(self, path: str) -> None:
        self.running.pop(path, None)
        self.waiting.pop(path, None)
        self.doubted.pop(path, None)


def prefix_of(path: str) -> str:
    """The frame of a node: `map[3]/` of `map[3]/draft`, nothing outside of bodies."""
    return path[: path.rfind("/") + 1]


def id_of(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def is_compensation(path: str) -> bool:
    """Whether this is what undoes another node; a body's frame would end in `]`."""
    return path.endswith(_UNDOES) and not path.endswith(_IN_BODY)


def undone_by(path: str) -> str:
    """The node that a compensation undoes."""
    return path.removesuffix(_UNDOES)
