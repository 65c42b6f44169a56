"""Where a run stands, and how it says that it was cancelled."""

from typing import Literal, TypeAlias

from domain.identifiers import Json, JsonObject

ExecutionStatus: TypeAlias = Literal[
    "PENDING",
    "RUNNING",
    "WAITING",
    "PAUSED",
    "COMPLETED",
    "FAILED",
    "COMPENSATING",
    "COMPENSATED",
    "CANCELLED",
    "NEEDS_ATTENTION",
]
# Nothing happens to these, unless somebody asks for it.
FINISHED = frozenset({"COMPLETED", "FAILED", "COMPENSATED", "CANCELLED"})
# No worker owes these anything.
ENDED = frozenset({"COMPLETED", "FAILED", "COMPENSATED", "CANCELLED", "NEEDS_ATTENTION"})
# No worker does anything for these.
STILL = ENDED | {"PAUSED"}


def cancellation(reason: Json) -> JsonObject:
    """The error of a run that was cancelled."""
    return {"code": "cancelled", "message": reason or "The execution was cancelled."}
