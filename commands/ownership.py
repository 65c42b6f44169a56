"""What is somebody's own, for callers whose scope reaches no further: what they began themselves or
with their API keys, and for running also what is shared with them for that, or public. What is out
of reach is like what is not there.
"""

from uuid import UUID

from commands.authorization import Caller, MissingScope
from commands.decisions import Tenancy
from commands.parts_port import Part, Principals
from commands.ports import AnyAggregate
from domain.agents import Agent, AgentNotFound
from domain.errors import NotFound
from domain.executions import Execution, ExecutionNotFound
from domain.workflows import Workflow, WorkflowNotFound


async def load_own(
    on: Tenancy, kind: type[AnyAggregate], stream_id: UUID, missing: type[NotFound], *, scope: str
) -> AnyAggregate:
    """Raises `missing`, also for what is another's and the scope reaches only one's own."""
    aggregate = await on.load(kind, stream_id, missing)
    if scope in on.caller.own_only and not await began(on, stream_id):
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
    if not workflow.text.is_public and await _is_refused(on, workflow_id, scope):
        on.keep(workflow)
        raise WorkflowNotFound
    return workflow


async def load_runnable_agent(on: Tenancy, agent_id: UUID, *, scope: str) -> Agent:
    """Raises AgentNotFound."""
    agent = await on.load(Agent, agent_id, AgentNotFound)
    if await _is_refused(on, agent_id, scope):
        on.keep(agent)
        raise AgentNotFound
    return agent


async def require_still_runnable(on: Tenancy, execution: Execution, *, scope: str) -> None:
    """Before it is run once more, for what was shared may not be any more. A run that another run
    started is that one's part. Raises NotFound.
    """
    if scope not in on.caller.own_only or execution.parent_id is not None:
        return
    if execution.workflow_id is not None:
        workflow_id = UUID(execution.workflow_id)
        on.keep(await load_runnable_workflow(on, workflow_id, scope=scope))
    elif execution.agent_id is not None:
        on.keep(await load_runnable_agent(on, UUID(execution.agent_id), scope=scope))


def require_all(caller: Caller, scope: str) -> None:
    """For what is done to many at once. Raises MissingScope when only one's own is in reach."""
    if scope in caller.own_only:
        raise MissingScope(f"This needs the scope {scope} for everything of the tenant.")


async def began(on: Tenancy, stream_id: UUID) -> bool:
    user_id = on.caller.user_id
    return user_id is not None and await on.users.began(on.tenant_id, user_id, stream_id)


async def _is_refused(on: Tenancy, part_id: UUID, scope: str) -> bool:
    if scope not in on.caller.own_only:
        return False
    principals = Principals(on.caller.actor)
    return bool(await on.parts.refused(on.tenant_id, [Part(part_id, scope)], principals))
