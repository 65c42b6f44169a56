"""Agents: created, revised into new immutable versions, deleted, and run alone."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar
from uuid import UUID

import orjson

from commands.decisions import (
    Command,
    Decided,
    Tenancy,
    require_version,
)
from commands.executions import Pinned, begin_execution
from commands.ownership import load_own, load_runnable_agent
from commands.plan_port import CountedPart, RemovedPart, StoredAgentLimits
from commands.ports import StoredDefinition
from commands.sharing import shares_ended_with
from commands.subjects import named_subject
from domain.agents import Agent, AgentNotFound
from domain.call_limits import LIMITS
from domain.definitions import Definition, single_node_definition
from domain.errors import FieldError, Invalid
from domain.identifiers import Json, JsonObject
from domain.payloads import INLINE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class CreateAgent(Command):
    """profile: the whole content of the first version, see domain/agents.py."""

    requires: ClassVar[str] = "agents:write"

    profile: JsonObject


@dataclass(frozen=True, slots=True)
class ReviseAgent(Command):
    """changes: the part of the profile that becomes different; without any, no version is made."""

    requires: ClassVar[str] = "agents:write"

    agent_id: UUID
    changes: JsonObject
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class LimitAgent(Command):
    """limits: by name, those of domain/call_limits.py, in place of those before."""

    requires: ClassVar[str] = "agents:write"

    agent_id: UUID
    limits: JsonObject
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteAgent(Command):
    requires: ClassVar[str] = "agents:write"

    agent_id: UUID
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class ExecuteAgent(Command):
    requires: ClassVar[str] = "agents:execute"

    agent_id: UUID
    input: Json
    data_subject: str | None = field(default=None, repr=False)


async def create_agent(command: CreateAgent, on: Tenancy) -> Decided:
    _require_profile_size(command.profile)
    agent = on.begin(Agent, on.ports.ids.new(), profile=command.profile)
    row = CountedPart("agents", agent.id)
    return Decided(_present(agent), aggregates=(agent,), side_rows=(row,))


async def revise_agent(command: ReviseAgent, on: Tenancy) -> Decided:
    agent = await load_own(on, Agent, command.agent_id, AgentNotFound, scope=command.requires)
    agent.require_present()
    require_version(agent, command.expected_version)
    agent.revise(command.changes)
    _require_profile_size(agent.profile()[1])
    return Decided(_present(agent), aggregates=(agent,))


async def limit_agent(command: LimitAgent, on: Tenancy) -> Decided:
    agent = await load_own(on, Agent, command.agent_id, AgentNotFound, scope=command.requires)
    agent.require_present()
    require_version(agent, command.expected_version)
    agent.limit(command.limits)
    result: JsonObject = {
        "agent_id": str(agent.id),
        "limits": {name: agent.limits.get(name) for name in LIMITS},
        "version": agent.version,
    }
    row = StoredAgentLimits(agent.id, agent.limits)
    return Decided(result, aggregates=(agent,), side_rows=(row,) if agent.pending_events else ())


async def delete_agent(command: DeleteAgent, on: Tenancy) -> Decided:
    agent = await load_own(on, Agent, command.agent_id, AgentNotFound, scope=command.requires)
    agent.require_present()
    require_version(agent, command.expected_version)
    agent.delete()
    sharing, rows = await shares_ended_with(on, command.agent_id)
    gone = [RemovedPart("agents", agent.id), StoredAgentLimits(agent.id, {})]
    result: JsonObject = {"agent_id": str(agent.id), "is_deleted": True}
    return Decided(result, aggregates=(agent, *sharing), side_rows=(*gone, *rows))


async def execute_agent(command: ExecuteAgent, on: Tenancy) -> Decided:
    """An execution of one agent node, pinned to the version the agent has now."""
    agent = await load_runnable_agent(on, command.agent_id, scope=command.requires)
    agent.require_present()
    agent_version = agent.current_version
    on.keep(agent)
    definition = _definition_of(str(command.agent_id), agent_version)
    return await begin_execution(
        on,
        Pinned(definition.hash, agent_id=str(command.agent_id)),
        command.input,
        StoredDefinition(definition.hash, definition.canonical),
        subject=await named_subject(on, command.data_subject),
    )


@lru_cache(maxsize=1024)
def _definition_of(agent_id: str, agent_version: int) -> Definition:
    return single_node_definition(agent_id, agent_version)


def _present(agent: Agent) -> JsonObject:
    return {
        "agent_id": str(agent.id),
        "agent_version": agent.current_version,
        "version": agent.version,
    }


def _require_profile_size(profile: JsonObject) -> None:
    if len(orjson.dumps(profile)) > INLINE_BYTES_MAX:
        reason = f"the agent is larger than {INLINE_BYTES_MAX} bytes"
        raise Invalid(errors=[FieldError("", "payload_too_large", reason)])
