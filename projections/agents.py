"""agents: each agent as it is now. agent_versions: every version there ever was."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from domain.agents import Agent
from domain.identifiers import JsonObject
from projections.table import (
    BEGUN_BY_PERSON,
    SHARED_WITH_PERSON,
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
)


class Profile(TypedDict):
    name: Text
    role: Text | None
    model: Text
    instructions: Text
    tools: JsonText
    parameters: JsonText


class AgentRow(Profile):
    tenant_id: Uuid
    agent_id: Uuid
    agent_version: Integer
    is_deleted: Boolean
    created_at: Instant
    updated_at: Instant
    created_by: Text | None
    version: BigInt


class AgentVersionRow(Profile):
    tenant_id: Uuid
    agent_id: Uuid
    agent_version: Integer
    created_at: Instant
    created_by: Text | None


def profile_columns(profile: JsonObject) -> Profile:
    """Raises KeyError or TypeError when the name, model or instructions are missing or no text."""
    role = profile.get("role")
    return {
        "name": _text(profile["name"]),
        "role": None if role is None else _text(role),
        "model": _text(profile["model"]),
        "instructions": _text(profile["instructions"]),
        "tools": json_text(profile.get("tools") or []),
        "parameters": json_text(profile.get("parameters") or {}),
    }


def evolve(row: AgentRow | None, event: Decoded, _key: Key) -> AgentRow:
    logged = event.logged
    match event.fact:
        case Agent.Created() as fact:
            return {
                **profile_columns(fact.profile),
                "tenant_id": logged.tenant_id,
                "agent_id": logged.stream_id,
                "agent_version": 1,
                "is_deleted": False,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "created_by": logged.actor,
                "version": logged.version,
            }
        case Agent.Revised() as fact:
            return {
                **present(row),
                **profile_columns(fact.profile),
                "agent_version": fact.agent_version,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Agent.Limited():
            # What is under way under a limit is counted beside the log, and so is the limit.
            return {**present(row), "version": logged.version}
        case Agent.Deleted():
            return {
                **present(row),
                "is_deleted": True,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


def version_keys(event: Decoded) -> Sequence[Key]:
    logged, fact = event.logged, event.fact
    agent_version = fact.agent_version if isinstance(fact, Agent.Revised) else 1
    return ((logged.tenant_id, logged.stream_id, agent_version),)


def evolve_version(_row: AgentVersionRow | None, event: Decoded, _key: Key) -> AgentVersionRow:
    logged = event.logged
    match event.fact:
        case Agent.Created() as fact:
            agent_version = 1
        case Agent.Revised() as fact:
            agent_version = fact.agent_version
        case _:
            raise UnexpectedEvent(logged.topic)
    return {
        **profile_columns(fact.profile),
        "tenant_id": logged.tenant_id,
        "agent_id": logged.stream_id,
        "agent_version": agent_version,
        "created_at": logged.recorded_at,
        "created_by": logged.actor,
    }


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value


AGENTS = Projection(
    name="agents",
    version=1,
    row=AgentRow,
    key=("tenant_id", "agent_id"),
    stream_column="agent_id",
    aggregate=Agent,
    events=(Agent.Created, Agent.Revised, Agent.Limited, Agent.Deleted),
    keys=stream_key,
    evolve=evolve,
    own=BEGUN_BY_PERSON + " OR agent_id" + SHARED_WITH_PERSON,
    indexes=(("tenant_id", "created_by", "agent_id"),),
)
AGENT_VERSIONS = Projection(
    name="agent_versions",
    version=1,
    row=AgentVersionRow,
    key=("tenant_id", "agent_id", "agent_version"),
    stream_column="agent_id",
    aggregate=Agent,
    events=(Agent.Created, Agent.Revised),
    keys=version_keys,
    evolve=evolve_version,
    own="agentledger.sees_agent(agent_id)",
)
