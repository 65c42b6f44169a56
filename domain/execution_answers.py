"""What came for a node that waits: a signal, a request, a decision, the end of a child."""

from domain.attempts import Failure, Result
from domain.node_runs import NodeRun
from domain.nodes.approval import decided
from domain.signals import PendingSignals, awaited_signal


def answer_to(run: NodeRun, signals: PendingSignals) -> Result | Failure | None:
    """None while nothing came."""
    name = awaited_signal(run.node_type, run.awaited)
    if name is not None:
        return Result(signals.oldest(name)) if signals.has(name) else None
    awaited = run.awaited or {}
    answer = run.answer
    if answer is None:
        return None
    if run.node_type == "approval":
        comment = answer["comment"]
        return decided(
            str(answer["decision"]),
            comment=None if comment is None else str(comment),
            edits=answer["edits"],
            decided_by=str(answer["decided_by"]),
        )
    if answer["status"] == "COMPLETED":
        return Result(answer["output"])
    error = answer["error"]
    told = f": {error['code']}: {error['message']}" if isinstance(error, dict) else ""
    status = str(answer["status"])
    return Failure(
        f"child_{status.lower()}", f"execution {awaited['child_id']} ended {status}{told}"
    )
