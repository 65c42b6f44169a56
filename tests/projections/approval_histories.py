"""Runs that ask people to decide."""

from domain.executions import Execution
from tests.projections.histories import FREE, Stream, completed, suspended

DECIDED = {"decision": "approve", "comment": None, "edits": None, "decided_by": "user:ada"}


def asks(run: Stream, path: str, *assignees: str, **fields: object) -> Stream:
    request = {"title": "Pay?", "form_schema": None, "assignees": [*assignees]}
    return suspended(run, path, node_type="approval", request=request | fields)


def decided(run: Stream, path: str) -> Stream:
    return run.happens(Execution.ApprovalDecided, path=path, **DECIDED)


def asks_and_is_answered(run: Stream) -> Stream:
    """One approval was decided, and one was stopped."""
    completed(decided(asks(run, "ok"), "ok"), "ok", node_type="approval", **FREE)
    asks(run, "sure", "user:ada")
    return run.happens(Execution.Cancelled, reason=None, stopped_paths=["sure"])
