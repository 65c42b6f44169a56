"""A definition names only what its author or whoever runs it may run."""

from uuid import UUID

import pytest

from commands.agents import CreateAgent
from commands.authorization import Caller
from commands.execution_forks import ForkExecution
from commands.execution_upgrades import UpgradeExecution
from commands.executions import ExecuteWorkflow
from commands.parts import UnknownParts
from commands.sharing import EndAgentShare, ShareAgent, ShareWorkflow
from commands.workflows import CreateWorkflow, ReviseWorkflow
from domain.identifiers import JsonObject
from tests.commands.fakes import World
from tests.commands.steps import a_chain
from tests.commands.test_sharing import DEFINITION, PROFILE, House, house, somebody

__all__ = ["house"]


def naming_agent(agent_id: UUID | str) -> JsonObject:
    config: JsonObject = {"agent_id": str(agent_id), "input": "x"}
    return a_chain({"id": "ask", "type": "agent", "config": config})


def naming_workflow(workflow_id: UUID) -> JsonObject:
    config: JsonObject = {"workflow_id": str(workflow_id), "input": {}}
    return a_chain({"id": "child", "type": "sub_workflow", "config": config})


def creating(definition: JsonObject, *, is_public: bool = False) -> CreateWorkflow:
    return CreateWorkflow("w", None, is_public=is_public, definition=definition)


async def created(world: World, definition: JsonObject, caller: Caller, **fields: bool) -> UUID:
    answer = await world.when(creating(definition, **fields), caller=caller)
    return UUID(str(answer.result["workflow_id"]))


async def test_what_is_somebody_elses_is_refused_with_its_place_like_what_is_not_there(
    house: House,
) -> None:
    world = house.world
    answers: list[str] = []
    for agent_id in (house.agent_id, world.ids.new()):
        with pytest.raises(UnknownParts) as refusal:
            await world.when(creating(naming_agent(agent_id)), caller=house.bob)
        (mistake,) = refusal.value.errors
        assert (mistake.path, mistake.code) == (
            "/definition/nodes/2/config/agent_id",
            "agent_not_found",
        )
        answers.append(mistake.message)
    assert answers[0] == answers[1]
    with pytest.raises(UnknownParts) as refusal:
        await world.when(creating(naming_workflow(house.workflow_id)), caller=house.bob)
    assert refusal.value.errors[0].path == "/definition/nodes/2/config/workflow_id"
    own = await created(world, DEFINITION, house.bob)
    change = ReviseWorkflow(own, {"definition": naming_agent(house.agent_id)})
    with pytest.raises(UnknownParts):
        await world.when(change, caller=house.bob)
    await world.when(creating(naming_agent(house.agent_id)), caller=house.ada)
    await world.when(creating(naming_agent(house.agent_id)), caller=house.admin)


async def test_what_is_public_or_shared_for_running_may_be_named(house: House) -> None:
    world = house.world
    public = await created(world, DEFINITION, house.ada, is_public=True)
    await world.when(creating(naming_workflow(public)), caller=house.bob)
    viewed = ShareWorkflow(house.workflow_id, house.id_of(house.bob), None, "view")
    await world.when(viewed, caller=house.ada)
    with pytest.raises(UnknownParts):
        await world.when(creating(naming_workflow(house.workflow_id)), caller=house.bob)
    run = ShareWorkflow(house.workflow_id, None, "USER", "execute")
    await world.when(run, caller=house.ada)
    await world.when(creating(naming_workflow(house.workflow_id)), caller=house.bob)


async def test_whoever_runs_a_workflow_runs_what_its_owner_named_in_it(house: House) -> None:
    world = house.world
    workflow_id = await created(world, naming_agent(house.agent_id), house.ada, is_public=True)
    await world.when(ExecuteWorkflow(workflow_id, {}), caller=house.bob)


async def test_a_share_that_has_ended_is_missed_when_something_is_to_run(house: House) -> None:
    world = house.world
    share = ShareAgent(house.agent_id, house.id_of(house.bob), None, "execute")
    await world.when(share, caller=house.ada)
    workflow_id = await created(world, DEFINITION, house.bob)
    change = ReviseWorkflow(workflow_id, {"definition": naming_agent(house.agent_id)})
    await world.when(change, caller=house.bob)
    begun = await world.when(ExecuteWorkflow(workflow_id, {}), caller=house.bob)
    old = await world.when(ExecuteWorkflow(workflow_id, {}, 1), caller=house.bob)
    ids = [UUID(str(answer.result["execution_id"])) for answer in (begun, old)]
    end = EndAgentShare(house.agent_id, house.id_of(house.bob))
    await world.when(end, caller=house.ada)
    for late in (
        ExecuteWorkflow(workflow_id, {}),
        ForkExecution(ids[0], "start"),
        UpgradeExecution(ids[1], 2),
    ):
        with pytest.raises(UnknownParts):
            await world.when(late, caller=house.bob)
    # What does not name it runs as before, and an administrator may run whatever there is.
    await world.when(ExecuteWorkflow(workflow_id, {}, 1), caller=house.bob)
    await world.when(ExecuteWorkflow(workflow_id, {}), caller=house.admin)


async def test_what_is_worked_out_in_the_run_is_asked_about_there(house: House) -> None:
    await house.world.when(creating(naming_agent("{{ input.agent_id }}")), caller=house.bob)


async def test_what_an_administrator_named_is_the_owners_to_run_only_when_it_is_shared(
    house: House,
) -> None:
    world = house.world
    carl = await somebody(world, "USER")
    agent = await world.when(CreateAgent(PROFILE), caller=carl)
    named = naming_agent(str(agent.result["agent_id"]))
    change = ReviseWorkflow(house.workflow_id, {"definition": named})
    await world.when(change, caller=house.admin)
    with pytest.raises(UnknownParts):
        await world.when(ExecuteWorkflow(house.workflow_id, {}), caller=house.ada)
