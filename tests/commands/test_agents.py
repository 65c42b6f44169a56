"""Agents are revised into versions, and run pinned to one."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent, LimitAgent, ReviseAgent
from commands.authorization import Caller, MissingScope
from commands.decisions import VersionMismatch
from commands.plan_port import StoredAgentLimits
from commands.ports import OpenedExecution, StoredDefinition
from domain.agents import AgentNotFound
from domain.errors import Invalid
from domain.identifiers import JsonObject, TenantId
from domain.payloads import INLINE_BYTES_MAX, PAYLOAD_BYTES_MAX
from tests.commands.fakes import World

PROFILE: JsonObject = {"name": "Writer", "model": "offline/echo", "instructions": "Write."}


async def an_agent(world: World) -> UUID:
    (created,) = await world.given(CreateAgent(PROFILE))
    return UUID(str(created["agent_id"]))


async def test_an_agent_begins_at_version_one() -> None:
    world = World()
    answer = await world.when(CreateAgent(PROFILE))
    assert (answer.result["agent_version"], answer.result["version"]) == (1, 1)
    assert world.store.states[0]["profile"] == PROFILE


async def test_a_revision_keeps_what_it_does_not_name() -> None:
    world = World()
    agent_id = await an_agent(world)
    answer = await world.when(ReviseAgent(agent_id, {"instructions": "Write less."}))
    assert answer.result == {"agent_id": str(agent_id), "agent_version": 2, "version": 2}
    assert world.store.states[1]["profile"] == {**PROFILE, "instructions": "Write less."}


async def test_a_revision_of_another_version_than_expected_is_refused() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.when(ReviseAgent(agent_id, {"name": "Poet"}, expected_version=1))
    with pytest.raises(VersionMismatch):
        await world.when(ReviseAgent(agent_id, {"name": "Critic"}, expected_version=1))
    with pytest.raises(VersionMismatch):
        await world.when(DeleteAgent(agent_id, expected_version=1))


async def test_a_deleted_agent_is_unknown_to_every_command() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.given(DeleteAgent(agent_id))
    for command in (
        ReviseAgent(agent_id, {"name": "Poet"}),
        DeleteAgent(agent_id),
        ExecuteAgent(agent_id, {}),
    ):
        with pytest.raises(AgentNotFound):
            await world.when(command)
    assert world.store.topics == ["agent.created", "agent.deleted"]


async def test_another_tenants_agent_is_unknown() -> None:
    world = World()
    agent_id = await an_agent(world)
    stranger = Caller("api_key:x", TenantId(world.ids.new()), frozenset({"*"}))
    for command in (
        ReviseAgent(agent_id, {"name": "Poet"}),
        DeleteAgent(agent_id),
        ExecuteAgent(agent_id, {}),
    ):
        with pytest.raises(AgentNotFound):
            await world.when(command, caller=stranger)
    assert world.store.topics == ["agent.created"]


async def test_an_agent_has_a_size() -> None:
    world = World()
    agent_id = await an_agent(world)
    heavy: JsonObject = {"parameters": {"text": "x" * INLINE_BYTES_MAX}}
    for command in (CreateAgent({**PROFILE, **heavy}), ReviseAgent(agent_id, heavy)):
        with pytest.raises(Invalid) as refusal:
            await world.when(command)
        assert [error.code for error in refusal.value.errors] == ["payload_too_large"]
    assert world.store.topics == ["agent.created"]


async def test_running_an_agent_pins_its_version_and_stores_what_runs() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.given(ReviseAgent(agent_id, {"name": "Poet"}))
    answer = await world.when(ExecuteAgent(agent_id, {"topic": "rain"}))
    *_, definition, opened = world.store.side_rows
    assert isinstance(definition, StoredDefinition)
    assert opened == OpenedExecution(UUID(str(answer.result["execution_id"])))
    created = world.store.states[-1]
    assert created["definition_hash"] == definition.definition_hash
    assert (created["agent_id"], created["workflow_id"]) == (str(agent_id), None)
    assert (created["input"], created["created_by"]) == ({"topic": "rain"}, "api_key:test")
    nodes = definition.definition["nodes"]
    assert isinstance(nodes, list)
    (config,) = [
        node["config"] for node in nodes if isinstance(node, dict) and node["type"] == "agent"
    ]
    assert isinstance(config, dict)
    assert (config["agent_id"], config["version"]) == (str(agent_id), 2)


async def test_an_agent_that_only_runs_is_given_back_to_the_store() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.given(ExecuteAgent(agent_id, {}))
    assert world.store.kept == [agent_id]


async def test_an_input_has_a_size() -> None:
    world = World()
    agent_id = await an_agent(world)
    with pytest.raises(Invalid) as refusal:
        await world.when(ExecuteAgent(agent_id, "x" * PAYLOAD_BYTES_MAX))
    assert [(error.path, error.code) for error in refusal.value.errors] == [
        ("/input", "payload_too_large")
    ]
    assert world.store.topics == ["agent.created"]


async def test_the_limits_of_an_agent_are_told_beside_the_log_until_it_is_deleted() -> None:
    world = World()
    agent_id = await an_agent(world)
    answer = await world.when(LimitAgent(agent_id, {"concurrent_calls": 2}))
    assert answer.result == {
        "agent_id": str(agent_id),
        "limits": {"concurrent_calls": 2, "tokens_per_min": None, "cost_usd_per_min": None},
        "version": 2,
    }
    assert world.store.side_rows[-1] == StoredAgentLimits(agent_id, {"concurrent_calls": 2})
    rows = len(world.store.side_rows)
    await world.given(LimitAgent(agent_id, {"concurrent_calls": 2}))
    assert len(world.store.side_rows) == rows
    await world.given(DeleteAgent(agent_id))
    assert StoredAgentLimits(agent_id, {}) in world.store.side_rows[rows:]
    with pytest.raises(AgentNotFound):
        await world.when(LimitAgent(agent_id, {}))


async def test_nobody_limits_the_agent_of_somebody_else() -> None:
    world = World()
    agent_id = await an_agent(world)
    stranger = replace(world.caller, tenant_id=TenantId(world.ids.new()))
    user = replace(world.caller, user_id=world.ids.new(), own_only=frozenset({"agents:write"}))
    for caller in (stranger, user):
        with pytest.raises(AgentNotFound):
            await world.when(LimitAgent(agent_id, {"concurrent_calls": 1}), caller=caller)
    reader = world.caller_with("agents:execute")
    with pytest.raises(MissingScope):
        await world.when(LimitAgent(agent_id, {"concurrent_calls": 1}), caller=reader)
