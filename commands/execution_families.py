"""What the end of a run means for the runs around it: its parent hears of it, and children that
still run are cancelled with it, all in the append that ends it. A child that is being undone goes
on with that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.decisions import Decided, Tenancy
from commands.ports import NEVER, ClosedExecution, EventStore, OpenedExecution, SideRow
from domain.execution_commands import cancel
from domain.execution_outcomes import child_ended
from domain.execution_status import FINISHED
from domain.executions import Execution
from domain.identifiers import Json, JsonObject, TenantId

PARENT_ENDED = "the execution that started it has ended"


@dataclass(slots=True)
class Family:
    """Other runs that are stored with one that has ended, and their rows."""

    executions: list[Execution] = field(default_factory=list[Execution])
    side_rows: list[SideRow] = field(default_factory=list[SideRow])


async def decided_about(execution: Execution, on: Tenancy, **told: Json) -> Decided:
    """What a person decided about a run, with all that follows from it. told: beside its status.

    When nothing was decided nothing is stored, and the answer is the same.
    """
    result: JsonObject = {"execution_id": str(execution.id), "status": execution.status, **told}
    if not execution.pending_events:
        on.keep(execution)
        return Decided(result, aggregates=())
    family = await family_of(execution, on.tenant_id, on.ports.events)
    return Decided(
        result,
        aggregates=(execution, *family.executions),
        side_rows=(*rows_of(execution), *family.side_rows),
    )


async def family_of(
    execution: Execution, tenant_id: TenantId, events: EventStore, *, is_parent_told: bool = True
) -> Family:
    """Nothing while it goes on, or waits for somebody to look at it."""
    family = Family()
    if execution.status not in FINISHED:
        return family
    for child_id, known in list(execution.children.items()):
        if known.policy == "cancel":
            await _cancel_child(UUID(child_id), tenant_id, events, family)
    if is_parent_told and execution.parent_id is not None:
        parent = await events.load(Execution, UUID(execution.parent_id), tenant_id)
        if parent is not None:
            child_ended(parent, execution)
            if parent.pending_events:
                family.executions.append(parent)
                family.side_rows += rows_of(parent)
    return family


def close_begun(execution: Execution, begun: Sequence[Execution]) -> None:
    """Children that begin with the very append that ends their parent."""
    if execution.status not in FINISHED:
        return
    for child in begun:
        if execution.children[str(child.id)].policy == "cancel":
            cancel(child, PARENT_ENDED)


def rows_of(execution: Execution) -> Sequence[SideRow]:
    """What is to be known of a run beside its events: that a worker owes it something, or not."""
    if execution.is_ended:
        return [ClosedExecution(execution.id)]
    is_waiting = execution.status == "PAUSED" and not execution.runs.running
    return [OpenedExecution(execution.id, NEVER if is_waiting else None)]


async def _cancel_child(
    child_id: UUID, tenant_id: TenantId, events: EventStore, family: Family
) -> None:
    child = await events.load(Execution, child_id, tenant_id)
    if child is None or child.status in FINISHED or child.undoing is not None:
        return
    cancel(child, PARENT_ENDED)
    family.executions.append(child)
    family.side_rows += rows_of(child)
    inner = await family_of(child, tenant_id, events, is_parent_told=False)
    family.executions += inner.executions
    family.side_rows += inner.side_rows
