"""The events after which no worker owes an execution anything, and its status then."""

from collections.abc import Mapping

# Nothing happens after these, unless somebody asks for it.
STATUS_OF_FINAL_TOPIC: Mapping[str, str] = {
    "execution.completed": "COMPLETED",
    "execution.failed": "FAILED",
    "execution.cancelled": "CANCELLED",
    "execution.compensated": "COMPENSATED",
}
STATUS_OF_CLOSING_TOPIC: Mapping[str, str] = {
    **STATUS_OF_FINAL_TOPIC,
    "execution.attention_needed": "NEEDS_ATTENTION",
}
