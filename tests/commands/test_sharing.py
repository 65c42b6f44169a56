"""Sharing: by who owns it, with who is there, and no more than one can do oneself."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent
from commands.authorization import ROLE_GRANTS, Caller, MissingScope, ScopeNotHeld
from commands.execution_commands import RetryExecution
from commands.execution_forks import ForkExecution
from commands.executions import ExecuteWorkflow
from commands.identity_port import StoredUserAccess
from commands.sharing import EndAgentShare, EndWorkflowShare, ShareAgent, ShareWorkflow
from commands.sharing_port import RemovedShare, StoredShare
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow
from domain.agents import AgentNotFound
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.identity import User
from domain.sharing import ShareNotFound
from domain.workflows import WorkflowNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain

DEFINITION = a_chain()
PROFILE = {"name": "a", "role": None, "model": "offline/echo", "instructions": "Answer."}


@dataclass
class House:
    """Ada shares with Bob. workflow_id, agent_id: Ada's."""

    world: World
    ada: Caller
    bob: Caller
    admin: Caller
    workflow_id: UUID
    agent_id: UUID

    def id_of(self, caller: Caller) -> UUID:
        assert caller.user_id is not None
        return caller.user_id


async def somebody(world: World, role: str, *, is_active: bool = True) -> Caller:
    user_id, grants = world.ids.new(), ROLE_GRANTS[role]
    user = User(id=user_id, email=f"{user_id}@example.com", role=role, name=None)
    if not is_active:
        user.deactivate()
    row = StoredUserAccess(user_id, str(user_id).encode(), role, user.status)
    await world.store.append([user], Envelope(world.tenant_id, "operator"), side_rows=[row])
    actor = f"user:{user_id}"
    return Caller(actor, world.tenant_id, grants.scopes, user_id, own_only=grants.own_only)


@pytest.fixture
async def house() -> House:
    world = World()
    ada, bob, admin = [await somebody(world, role) for role in ("USER", "USER", "ADMIN")]
    workflow = await world.when(
        CreateWorkflow("w", None, is_public=False, definition=DEFINITION), caller=ada
    )
    agent = await world.when(CreateAgent(PROFILE), caller=ada)
    ids = (workflow.result["workflow_id"], agent.result["agent_id"])
    return House(world, ada, bob, admin, *(UUID(str(id_)) for id_ in ids))


def shares(world: World) -> list[StoredShare | RemovedShare]:
    rows = [row for _, row in world.store.owned_side_rows]
    return [row for row in rows if isinstance(row, StoredShare | RemovedShare)]


async def test_a_workflow_shared_for_running_is_run_until_the_share_ends(house: House) -> None:
    world, run = house.world, ExecuteWorkflow(house.workflow_id, {})
    with pytest.raises(WorkflowNotFound):
        await world.when(run, caller=house.bob)
    share = ShareWorkflow(house.workflow_id, house.id_of(house.bob), None, "execute")
    told = (await world.when(share, caller=house.ada)).result
    assert told["with"] == {"user": str(house.bob.user_id)}
    begun = await world.when(run, caller=house.bob)
    for change in (
        DeleteWorkflow(house.workflow_id),
        ReviseWorkflow(house.workflow_id, {"name": "mine"}),
        share,
        EndWorkflowShare(house.workflow_id, UUID(str(told["share_id"]))),
    ):
        with pytest.raises(WorkflowNotFound):
            await world.when(change, caller=house.bob)
    await world.when(
        EndWorkflowShare(house.workflow_id, UUID(str(told["share_id"]))), caller=house.ada
    )
    execution_id = UUID(str(begun.result["execution_id"]))
    for late in (run, ForkExecution(execution_id, "start"), RetryExecution(execution_id)):
        with pytest.raises(WorkflowNotFound):
            await world.when(late, caller=house.bob)


async def test_an_agent_shared_with_a_role_is_run_by_who_has_it(house: House) -> None:
    run = ExecuteAgent(house.agent_id, "hello")
    with pytest.raises(AgentNotFound):
        await house.world.when(run, caller=house.bob)
    share = ShareAgent(house.agent_id, None, "USER", "execute")
    told = (await house.world.when(share, caller=house.admin)).result
    begun = (await house.world.when(run, caller=house.bob)).result
    viewer = await somebody(house.world, "VIEWER")
    with pytest.raises(MissingScope):
        await house.world.when(run, caller=viewer)
    end = EndAgentShare(house.agent_id, UUID(str(told["share_id"])))
    await house.world.when(end, caller=house.ada)
    for late in (run, ForkExecution(UUID(str(begun["execution_id"])), "start")):
        with pytest.raises(AgentNotFound):
            await house.world.when(late, caller=house.bob)


async def test_viewing_is_not_running(house: House) -> None:
    share = ShareWorkflow(house.workflow_id, house.id_of(house.bob), None, "view")
    await house.world.when(share, caller=house.ada)
    with pytest.raises(WorkflowNotFound):
        await house.world.when(ExecuteWorkflow(house.workflow_id, {}), caller=house.bob)


async def test_sharing_again_records_nothing_and_ending_again_finds_nothing(house: House) -> None:
    user_id = house.id_of(house.bob)
    share = ShareWorkflow(house.workflow_id, user_id, None, "view")
    first, again = [await house.world.when(share, caller=house.ada) for _ in range(2)]
    assert again.result == first.result
    assert again.position is None
    end = EndWorkflowShare(house.workflow_id, user_id)
    await house.world.when(end, caller=house.ada)
    with pytest.raises(ShareNotFound):
        await house.world.when(end, caller=house.ada)
    told = (house.workflow_id, f"user:{user_id}", "view")
    assert shares(house.world) == [StoredShare(*told), RemovedShare(*told)]


async def test_it_is_not_told_why_nothing_can_be_shared_with_somebody(house: House) -> None:
    gone = await somebody(house.world, "USER", is_active=False)
    elsewhere = World(house.world.store)
    elsewhere.ids = house.world.ids
    elsewhere.tenant_id = TenantId(elsewhere.ids.new())
    strangers = [gone.user_id, house.world.ids.new(), (await somebody(elsewhere, "USER")).user_id]
    answers: set[str] = set()
    for user_id in strangers:
        share = ShareWorkflow(house.workflow_id, user_id, None, "view")
        with pytest.raises(Invalid) as refusal:
            await house.world.when(share, caller=house.ada)
        answers.add(str(refusal.value.errors))
    assert len(answers) == 1
    share = ShareWorkflow(house.workflow_id, None, "KING", "view")
    with pytest.raises(Invalid) as unknown:
        await house.world.when(share, caller=house.ada)
    assert unknown.value.errors[0].path == "/with/role"


async def test_what_is_deleted_is_shared_with_nobody_any_more(house: House) -> None:
    await house.world.when(
        ShareWorkflow(house.workflow_id, None, "VIEWER", "view"), caller=house.ada
    )
    await house.world.when(ShareAgent(house.agent_id, None, "VIEWER", "view"), caller=house.ada)
    await house.world.when(DeleteWorkflow(house.workflow_id), caller=house.ada)
    await house.world.when(DeleteAgent(house.agent_id), caller=house.ada)
    kinds = [type(row) for row in shares(house.world)]
    assert kinds == [StoredShare, StoredShare, RemovedShare, RemovedShare]
    with pytest.raises(WorkflowNotFound):
        await house.world.when(
            ShareWorkflow(house.workflow_id, None, "USER", "view"), caller=house.ada
        )


async def test_nobody_shares_with_themselves_what_they_cannot_see(house: House) -> None:
    """Who may change everybody's workflows sees only their own runs, and runs only their own."""
    user_id = house.id_of(house.bob)
    scopes = frozenset({"workflows:write", "read", "workflows:execute"})
    editor = Caller(
        f"user:{user_id}",
        house.world.tenant_id,
        scopes,
        user_id,
        own_only=frozenset({"read", "workflows:execute"}),
    )
    for access in ("view", "execute"):
        share = ShareWorkflow(house.workflow_id, user_id, None, access)
        with pytest.raises(ScopeNotHeld):
            await house.world.when(share, caller=editor)
    writer = house.world.caller_with("workflows:write")
    with pytest.raises(ScopeNotHeld):
        await house.world.when(
            ShareWorkflow(house.workflow_id, user_id, None, "view"), caller=writer
        )
