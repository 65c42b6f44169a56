"""What is somebody's own, for callers whose scope reaches no further: what they began themselves or
with their API keys, and for running a workflow also what is public. What is out of reach is like
what is not there.
"""

from uuid import UUID

from commands.authorization import Caller, MissingScope
from commands.decisions import Tenancy
from commands.ports import AnyAggregate
from domain.errors import NotFound
from domain.executions import Execution, ExecutionNotFound
from domain.workflows import Workflow, WorkflowNotFound


async def load_own(
    on: Tenancy, kind: type[AnyAggregate], stream_id: UUID, missing: type[NotFound], *, scope: str
) -> AnyAggregate:
    """Raises `missing`, also for what is another's and the scope reaches only one's own."""
    aggregate = await on.load(kind, stream_id, missing)
    if scope in on.caller.own_only and not await _began(on, stream_id):
        on.keep(aggregate)
        raise missing
    return aggregate


async def load_own_execution(on: Tenancy, execution_id: UUID, *, scope: str) -> Execution:
    """A run that another run started is of who started that one. Raises ExecutionNotFound."""
    execution = await on.load(Execution, execution_id, ExecutionNotFound)
    if not await is_own_execution(on, execution, scope=scope):
        on.keep(execution)
        raise ExecutionNotFound
    return execution


async def is_own_execution(on: Tenancy, execution: Execution, *, scope: str) -> bool:
    if scope not in on.caller.own_only:
        return True
    user_id = on.caller.user_id
    return user_id is not None and await on.users.is_actor(
        on.tenant_id, user_id, execution.created_by
    )


async def load_runnable_workflow(on: Tenancy, workflow_id: UUID, *, scope: str) -> Workflow:
    """Raises WorkflowNotFound."""
    workflow = await on.load(Workflow, workflow_id, WorkflowNotFound)
    is_free = scope not in on.caller.own_only or workflow.text.is_public
    if not is_free and not await _began(on, workflow_id):
        on.keep(workflow)
        raise WorkflowNotFound
    return workflow


def require_all(caller: Caller, scope: str) -> None:
    """For what is done to many at once. Raises MissingScope when only one's own is in reach."""
    if scope in caller.own_only:
        raise MissingScope(f"This needs the scope {scope} for everything of the tenant.")


async def _began(on: Tenancy, stream_id: UUID) -> bool:
    user_id = on.caller.user_id
    return user_id is not None and await on.users.began(on.tenant_id, user_id, stream_id)
