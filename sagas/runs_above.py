"""The runs that led to a run: who pays for it too."""

from typing import NamedTuple
from uuid import UUID

from commands.ports import EventStore
from domain.executions import Execution
from domain.identifiers import TenantId
from sagas.run_owners import uuid_or_none


class Ancestor(NamedTuple):
    run_id: UUID
    workflow_id: UUID | None


async def runs_above(
    execution: Execution, tenant_id: TenantId, events: EventStore
) -> tuple[Ancestor, ...]:
    """The outermost last. Raises Unavailable."""
    found: list[Ancestor] = []
    parent_id = execution.parent_id
    while parent_id is not None:
        run_id = UUID(parent_id)
        parent = await events.load(Execution, run_id, tenant_id)
        workflow_id = None if parent is None else uuid_or_none(parent.workflow_id or "")
        found.append(Ancestor(run_id, workflow_id))
        parent_id = None if parent is None else parent.parent_id
    return tuple(found)
