"""Which executions a list of them holds."""

from enum import Enum
from typing import LiteralString

import strawberry

from read_api.connections import OneOf, uuid_or_nobody
from read_api.scalars import Instant

OF_STATUS = OneOf("e.status", "SELECT DISTINCT jsonb_array_elements_text($1->'status')")


@strawberry.enum
class ExecutionStatus(Enum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = strawberry.enum_value(
        "WAITING", description="For a time, a signal, a decision or another execution."
    )
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    COMPENSATING = strawberry.enum_value(
        "COMPENSATING", description="What its nodes did is being undone."
    )
    COMPENSATED = "COMPENSATED"
    CANCELLED = "CANCELLED"
    NEEDS_ATTENTION = strawberry.enum_value(
        "NEEDS_ATTENTION", description="Somebody has to say what became of a node; see error."
    )


@strawberry.input(description="All that is given must hold.")
class ExecutionFilter:
    status: list[ExecutionStatus] | None = None
    workflow_id: strawberry.ID | None = None
    agent_id: strawberry.ID | None = None
    parent_id: strawberry.ID | None = strawberry.field(
        default=None, description="Started by a node of this execution."
    )
    forked_from_id: strawberry.ID | None = None
    data_subject: str | None = strawberry.field(
        default=None, description="Of one data subject, as the execution was given it."
    )
    created_after: Instant | None = strawberry.field(default=None, description="Exclusive.")
    created_before: Instant | None = strawberry.field(default=None, description="Exclusive.")


def conditions_of(wanted: ExecutionFilter) -> tuple[list[LiteralString], dict[str, object]]:
    """On the alias `e`, with what they take from $1: all but OF_STATUS."""
    conditions: list[LiteralString] = []
    params: dict[str, object] = {}
    if wanted.status is not None:
        params["status"] = [status.value for status in wanted.status]
    ids: list[tuple[str, str | None, LiteralString]] = [
        ("workflowId", wanted.workflow_id, "e.workflow_id = ($1->>'workflowId')::uuid"),
        ("agentId", wanted.agent_id, "e.agent_id = ($1->>'agentId')::uuid"),
        ("parentId", wanted.parent_id, "e.parent_id = ($1->>'parentId')::uuid"),
        ("forkedFromId", wanted.forked_from_id, "e.forked_from_id = ($1->>'forkedFromId')::uuid"),
    ]
    for name, wanted_id, condition in ids:
        if wanted_id is not None:
            params[name] = uuid_or_nobody(wanted_id)
            conditions.append(condition)
    if wanted.data_subject is not None:
        params["dataSubject"] = wanted.data_subject.replace("\x00", "\ufffd")
        conditions.append("e.data_subject = $1->>'dataSubject'")
    if wanted.created_after is not None:
        params["createdAfter"] = wanted.created_after
        conditions.append("e.created_at > ($1->>'createdAfter')::timestamptz")
    if wanted.created_before is not None:
        params["createdBefore"] = wanted.created_before
        conditions.append("e.created_at < ($1->>'createdBefore')::timestamptz")
    return conditions, params
