"""An agent's turn: its instructions, the rendered input, its model. request: {agent_id, version?,
input}.

The version that answered is part of the output, so that a run says which one it was.
"""

from uuid import UUID

import orjson

from commands.parts_port import Part
from domain.agents import Agent, AgentNotFound, AgentVersionNotFound
from domain.attempts import Attempt
from domain.identifiers import Json, JsonObject
from sagas.effects import AttemptFailed, Effects, Outcome, Run
from sagas.nodes.llm import Asked, call_model
from sagas.patient_load import load_in_time
from sagas.run_parts import is_refused


async def run_agent(attempt: Attempt, run: Run, on: Effects) -> Outcome:
    return await call_model(attempt, run, on, await asked_of_agent(attempt, run, on))


async def asked_of_agent(attempt: Attempt, run: Run, on: Effects) -> Asked:
    """Raises AttemptFailed for an agent that is not there."""
    agent_id = UUID(str(attempt.request["agent_id"]))
    version, profile = await _profile(attempt, run, on, agent_id)
    messages: list[JsonObject] = [
        {"role": "system", "content": str(profile.get("instructions") or "")},
        {"role": "user", "content": _text(attempt.request["input"])},
    ]
    parameters = profile.get("parameters")
    return Asked(
        str(profile["model"]),
        [message for message in messages if message["content"]],
        parameters if isinstance(parameters, dict) else {},
        str(agent_id),
        version,
    )


async def _profile(
    attempt: Attempt, run: Run, on: Effects, agent_id: UUID
) -> tuple[int, JsonObject]:
    agent = await load_in_time(Agent, agent_id, on.events, attempt=attempt, run=run)
    part = Part(agent_id, "agents:execute")
    if agent is not None and await is_refused(part, on.parts, attempt=attempt, run=run):
        on.events.keep(agent, run.tenant_id)
        agent = None
    if agent is None:
        raise AttemptFailed("agent_not_found", f"there is no agent {agent_id}", is_retryable=False)
    on.events.keep(agent, run.tenant_id)
    reserved = attempt.reserved
    # What was paid for is the version that it was then.
    wanted = attempt.request.get("version") if reserved is None else reserved.agent_version
    try:
        if not isinstance(wanted, int):
            agent.require_present()
        return agent.profile(wanted if isinstance(wanted, int) else None)
    except (AgentNotFound, AgentVersionNotFound) as error:
        raise AttemptFailed(error.code, error.detail, is_retryable=False) from error


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
