"""Sharing of workflows and agents, by whoever owns them or reaches everything: with somebody, or
with a role. Nobody lets others do what they cannot do themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.authorization import Caller, ScopeNotHeld, holds
from commands.decisions import Command, Decided, Tenancy
from commands.memberships import role_grants
from commands.ownership import began, load_own
from commands.sharing_port import RemovedShare, StoredShare
from domain.agents import Agent, AgentNotFound
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject
from domain.identity import User, UserNotFound
from domain.sharing import (
    Access,
    Share,
    SharedKind,
    ShareNotFound,
    Sharing,
    sharing_id,
)
from domain.workflows import Workflow, WorkflowNotFound


@dataclass(frozen=True, slots=True)
class ShareWorkflow(Command):
    """With user_id, or with all who have the role; the other one is None."""

    requires: ClassVar[str] = "workflows:write"

    workflow_id: UUID
    user_id: UUID | None
    role: str | None
    access: Access


@dataclass(frozen=True, slots=True)
class EndWorkflowShare(Command):
    """share_id: of a share, or of a person, all of whose shares end."""

    requires: ClassVar[str] = "workflows:write"

    workflow_id: UUID
    share_id: UUID


@dataclass(frozen=True, slots=True)
class ShareAgent(Command):
    """As ShareWorkflow."""

    requires: ClassVar[str] = "agents:write"

    agent_id: UUID
    user_id: UUID | None
    role: str | None
    access: Access


@dataclass(frozen=True, slots=True)
class EndAgentShare(Command):
    """As EndWorkflowShare."""

    requires: ClassVar[str] = "agents:write"

    agent_id: UUID
    share_id: UUID


async def share_workflow(command: ShareWorkflow, on: Tenancy) -> Decided:
    await _require_workflow(on, command.workflow_id, command.requires)
    return await _shared(on, "workflow", command.workflow_id, command)


async def end_workflow_share(command: EndWorkflowShare, on: Tenancy) -> Decided:
    await _require_workflow(on, command.workflow_id, command.requires)
    return await _ended(on, command.workflow_id, command.share_id)


async def share_agent(command: ShareAgent, on: Tenancy) -> Decided:
    await _require_agent(on, command.agent_id, command.requires)
    return await _shared(on, "agent", command.agent_id, command)


async def end_agent_share(command: EndAgentShare, on: Tenancy) -> Decided:
    await _require_agent(on, command.agent_id, command.requires)
    return await _ended(on, command.agent_id, command.share_id)


async def shares_ended_with(
    on: Tenancy, shared_id: UUID
) -> tuple[Sequence[Sharing], Sequence[RemovedShare]]:
    """What is stored beside the end of what was shared: nobody is left whom it is shared with."""
    sharing = await on.ports.events.load(Sharing, sharing_id(shared_id), on.tenant_id)
    if sharing is None:
        return (), ()
    ended = sharing.end_all()
    if not ended:
        on.keep(sharing)
        return (), ()
    return (sharing,), _removed(shared_id, ended)


async def _require_workflow(on: Tenancy, workflow_id: UUID, scope: str) -> None:
    workflow = await load_own(on, Workflow, workflow_id, WorkflowNotFound, scope=scope)
    workflow.require_present()
    on.keep(workflow)


async def _require_agent(on: Tenancy, agent_id: UUID, scope: str) -> None:
    agent = await load_own(on, Agent, agent_id, AgentNotFound, scope=scope)
    agent.require_present()
    on.keep(agent)


async def _shared(
    on: Tenancy, kind: SharedKind, shared_id: UUID, command: ShareWorkflow | ShareAgent
) -> Decided:
    needed = "read" if command.access == "view" else f"{kind}s:execute"
    await _require_passed_on(on, shared_id, needed)
    share = Share(
        None if command.user_id is None else str(command.user_id),
        await _known_role(on, command.role),
        command.access,
    )
    if command.user_id is not None:
        await _require_active(on, command.user_id)
    sharing = await on.ports.events.load(Sharing, sharing_id(shared_id), on.tenant_id)
    if sharing is None:
        sharing = on.begin(
            Sharing, sharing_id(shared_id), shared_kind=kind, shared_id=str(shared_id)
        )
    granted_id = sharing.grant(share)
    shared_with: JsonObject = (
        {"role": share.role} if share.user_id is None else {"user": share.user_id}
    )
    result: JsonObject = {"share_id": granted_id, "with": shared_with, "access": share.access}
    if not sharing.pending_events:
        on.keep(sharing)
        return Decided(result, aggregates=())
    row = StoredShare(shared_id, share.grantee, share.access)
    return Decided(result, aggregates=(sharing,), side_rows=(row,))


async def _ended(on: Tenancy, shared_id: UUID, wanted_id: UUID) -> Decided:
    sharing = await on.load(Sharing, sharing_id(shared_id), ShareNotFound)
    try:
        ended = sharing.end(wanted_id)
    except ShareNotFound:
        on.keep(sharing)
        raise
    result: JsonObject = {"ended": len(ended)}
    return Decided(result, aggregates=(sharing,), side_rows=_removed(shared_id, ended))


def _removed(shared_id: UUID, ended: Sequence[Share]) -> Sequence[RemovedShare]:
    return [RemovedShare(shared_id, share.grantee, share.access) for share in ended]


async def _require_passed_on(on: Tenancy, shared_id: UUID, scope: str) -> None:
    """Raises ScopeNotHeld: also for who may change everybody's but sees or runs only their own, and
    would otherwise share it with themselves.
    """
    caller: Caller = on.caller
    is_held = holds(caller, scope) and (scope not in caller.own_only or await began(on, shared_id))
    if not is_held:
        raise ScopeNotHeld(f"What needs the scope {scope} cannot be shared without holding it.")


async def _known_role(on: Tenancy, role: str | None) -> str | None:
    """Raises Invalid."""
    if role is not None:
        await role_grants(on, role, "/with/role")
    return role


async def _require_active(on: Tenancy, user_id: UUID) -> None:
    """Nobody is told whether it is nobody, somebody who is not active, or another tenant's. Raises
    Invalid.
    """
    try:
        user = await on.load(User, user_id, UserNotFound)
    except UserNotFound:
        user = None
    if user is not None:
        on.keep(user)
    if user is None or not user.is_active:
        reason = "there is no active user with this id"
        raise Invalid(errors=[FieldError("/with/user", "unknown_user", reason)])
