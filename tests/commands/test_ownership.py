"""The permission table on the write side, cell by cell: an ADMIN may do everything, a USER what
concerns their own, a VIEWER nothing; and what is out of reach is like what is not there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent, ReviseAgent
from commands.approvals import DecideApproval
from commands.authorization import ROLE_GRANTS, Caller, MissingScope
from commands.bulk_operations import OperateInBulk
from commands.credentials import CreateApiKey, RestrictApiKey, RevokeApiKey
from commands.decisions import Command
from commands.execution_commands import (
    CompensateExecution,
    PauseExecution,
    ResolveExecution,
    ResumeExecution,
    RetryExecution,
)
from commands.execution_forks import ForkExecution
from commands.execution_upgrades import UpgradeExecution
from commands.executions import CancelExecution, ExecuteWorkflow
from commands.signals import SignalExecution
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow
from domain.errors import DomainError, NotFound
from domain.execution_commands import ApprovalNotFound
from domain.identifiers import Json, JsonObject
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, worked

DEFINITION = a_chain()
PROFILE = {"name": "a", "role": None, "model": "offline/echo", "instructions": "Answer."}
# Each command that is about something of somebody, given that thing's id.
OF_SOMEBODY: dict[str, tuple[str, Callable[[UUID], Command]]] = {
    "revise a workflow": ("workflow", lambda id_: ReviseWorkflow(id_, {"name": "other"})),
    "delete a workflow": ("workflow", DeleteWorkflow),
    "run a workflow": ("workflow", lambda id_: ExecuteWorkflow(id_, {})),
    "revise an agent": ("agent", lambda id_: ReviseAgent(id_, {"name": "other"})),
    "delete an agent": ("agent", DeleteAgent),
    "run an agent": ("agent", lambda id_: ExecuteAgent(id_, "hello")),
    "cancel a run": ("execution", CancelExecution),
    "pause a run": ("execution", PauseExecution),
    "resume a run": ("execution", ResumeExecution),
    "retry a run": ("execution", RetryExecution),
    "undo a run": ("execution", CompensateExecution),
    "resolve a run": ("execution", lambda id_: ResolveExecution(id_, "draft", "done")),
    "fork a run": ("execution", lambda id_: ForkExecution(id_, "start")),
    "upgrade a run": ("execution", lambda id_: UpgradeExecution(id_, 1)),
    "signal a run": ("execution", lambda id_: SignalExecution(id_, "go", None)),
    "decide for a run": ("execution", lambda id_: DecideApproval(id_, "ok", "approve")),
    "revoke a key": ("api_key", RevokeApiKey),
    "restrict a key": ("api_key", lambda id_: RestrictApiKey(id_, ["192.0.2.0/24"])),
}
CREATING = {
    "create a workflow": CreateWorkflow("w", None, is_public=False, definition=DEFINITION),
    "create an agent": CreateAgent(PROFILE),
    "create a key": CreateApiKey("k", ["read"]),
}


@dataclass
class House:
    """A tenant, and who is somebody in it."""

    world: World
    ada: Caller
    grace: Caller
    admin: Caller
    viewer: Caller


@pytest.fixture
def house() -> House:
    world = World()

    def somebody(role: str) -> Caller:
        user_id, grants = world.ids.new(), ROLE_GRANTS[role]
        actor = f"user:{user_id}"
        own = grants.own_only
        return Caller(actor, world.tenant_id, grants.scopes, user_id, own_only=own)

    return House(world, *(somebody(role) for role in ("USER", "USER", "ADMIN", "VIEWER")))


async def made(house: House, caller: Caller, kind: str) -> UUID:
    """The id of something of theirs."""
    world = house.world
    match kind:
        case "agent":
            answer = await world.when(CREATING["create an agent"], caller=caller)
        case "api_key":
            answer = await world.when(CREATING["create a key"], caller=caller)
        case "execution":
            workflow_id = await made(house, caller, "workflow")
            answer = await world.when(ExecuteWorkflow(workflow_id, {}), caller=caller)
        case _:
            answer = await world.when(CREATING["create a workflow"], caller=caller)
    return UUID(str(answer.result[f"{kind}_id"]))


async def outcome(house: House, command: Command, caller: Caller) -> str:
    """`allowed`, when only the state of the thing could say no."""
    try:
        await house.world.when(command, caller=caller)
    except MissingScope:
        return "forbidden"
    except ApprovalNotFound:
        return "allowed"
    except NotFound:
        return "not found"
    except DomainError:
        return "allowed"
    return "allowed"


@pytest.mark.parametrize("cell", OF_SOMEBODY)
async def test_each_cell_of_the_table(house: House, cell: str) -> None:
    kind, command = OF_SOMEBODY[cell]
    mine = await made(house, house.ada, kind)
    theirs = await made(house, house.grace, kind)
    nobodys = house.world.ids.new()
    assert await outcome(house, command(theirs), house.ada) == "not found"
    assert await outcome(house, command(nobodys), house.ada) == "not found"
    assert await outcome(house, command(mine), house.viewer) == "forbidden"
    assert await outcome(house, command(mine), house.ada) == "allowed"
    assert await outcome(house, command(theirs), house.admin) == "allowed"


@pytest.mark.parametrize("cell", CREATING)
async def test_each_cell_of_making_something(house: House, cell: str) -> None:
    assert await outcome(house, CREATING[cell], house.viewer) == "forbidden"
    assert await outcome(house, CREATING[cell], house.ada) == "allowed"
    assert await outcome(house, CREATING[cell], house.admin) == "allowed"


async def test_a_public_workflow_is_run_by_every_user_and_changed_by_its_own(house: House) -> None:
    public = CreateWorkflow("w", None, is_public=True, definition=DEFINITION)
    created = await house.world.when(public, caller=house.grace)
    workflow_id = UUID(str(created.result["workflow_id"]))
    assert await outcome(house, ExecuteWorkflow(workflow_id, {}), house.ada) == "allowed"
    assert await outcome(house, DeleteWorkflow(workflow_id), house.ada) == "not found"
    assert await outcome(house, ExecuteWorkflow(workflow_id, {}), house.viewer) == "forbidden"


async def test_what_a_key_made_is_its_persons(house: House) -> None:
    world = house.world
    issued = await world.when(CreateApiKey("k", ["agents:write"]), caller=house.ada)
    key = Caller(
        f"api_key:{issued.result['api_key_id']}",
        world.tenant_id,
        frozenset({"agents:write"}),
        house.ada.user_id,
        own_only=frozenset({"agents:write"}),
    )
    agent_id = await made(house, key, "agent")
    assert await outcome(house, DeleteAgent(agent_id), house.grace) == "not found"
    assert await outcome(house, DeleteAgent(agent_id), house.ada) == "allowed"


async def test_what_is_done_to_many_at_once_needs_reach_over_all(house: House) -> None:
    command = OperateInBulk("cancel", {}, {})
    assert await outcome(house, command, house.ada) == "forbidden"
    assert await outcome(house, command, house.admin) == "allowed"


async def test_who_was_asked_decides_for_a_run_of_somebody_else(house: House) -> None:
    world = house.world
    config = {"title": "Pay?", "assignees": [f"user:{house.ada.user_id}"]}
    execution_id = await a_run(world, an_approval(config))
    assert (await worked(world, execution_id)).status == "WAITING"
    decide = DecideApproval(execution_id, "ok", "approve")
    assert await outcome(house, decide, house.grace) == "not found"
    assert await outcome(house, decide, house.ada) == "allowed"
    assert world.store.topics[-1] == "execution.approval_decided"


def an_approval(config: dict[str, Any]) -> JsonObject:
    chain = a_chain({"id": "ok", "type": "approval", "config": config})
    edges: list[Json] = [
        {"from": "start", "to": "ok"},
        *({"from": "ok", "port": port, "to": "end"} for port in ("approved", "rejected")),
    ]
    return {"nodes": chain["nodes"], "edges": edges}
