"""POST /agents, PATCH and DELETE /agents/{id}, PUT .../limits, POST .../execute."""

from http import HTTPStatus
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, with_config
from starlette.responses import Response
from typing_extensions import TypedDict

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent, LimitAgent, ReviseAgent
from domain.agents import AgentNotFound
from domain.errors import Stale
from domain.identifiers import JsonObject
from domain.quotas import QuotaReached
from domain.subjects import DataSubjectErased
from write_api.call_limits import ConcurrentCalls, TokensPerMin, Usd
from write_api.edge import Call
from write_api.executions import ExecutionAccepted, ExecutionResult
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, AnyObject, Name
from write_api.subjects import DataSubjectName

Instructions = Annotated[str, StringConstraints(max_length=32_000)]
Tools = Annotated[list[str | AnyObject], Field(max_length=64)]


class AgentBody(BaseModel):
    model_config = STRICT

    name: Name
    role: Name | None = None
    model: Name
    instructions: Instructions
    tools: Tools = Field(default_factory=list[str | AnyObject])
    parameters: AnyObject = Field(default_factory=dict[str, Any])


@with_config(STRICT)
class AgentChanges(TypedDict, total=False):
    name: Name
    role: Name | None
    model: Name
    instructions: Instructions
    tools: Tools
    parameters: AnyObject


class AgentLimits(BaseModel):
    """Of the agent's calls of models, over all runs and workers; what is null or left out is not
    limited. The last two are spread over a minute.
    """

    model_config = STRICT

    concurrent_calls: ConcurrentCalls | None = None
    tokens_per_min: TokensPerMin | None = None
    cost_usd_per_min: Usd | None = None


class AgentInput(BaseModel):
    model_config = STRICT

    input: AnyJson
    data_subject: DataSubjectName | None = None


class AgentWritten(BaseModel):
    agent_id: str
    agent_version: int
    version: int


class AgentLimited(BaseModel):
    agent_id: str
    limits: AgentLimits
    version: int


class AgentDeleted(BaseModel):
    agent_id: str
    is_deleted: bool


AGENT_BODY = TypeAdapter(AgentBody)
AGENT_CHANGES = TypeAdapter(AgentChanges)
AGENT_LIMITS = TypeAdapter(AgentLimits)
AGENT_INPUT = TypeAdapter(AgentInput)

EXAMPLE = {
    "name": "Writer",
    "role": "writes drafts",
    "model": "offline/echo",
    "instructions": "Answer in one sentence.",
}


@route(
    "POST",
    "/api/v1/agents",
    documented(
        "createAgent",
        "Create an agent",
        requires=CreateAgent.requires,
        answers=Answered[AgentWritten],
        status=HTTPStatus.CREATED,
        body="AgentBody",
        example=EXAMPLE,
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(AGENT_BODY)
    command = CreateAgent(
        {
            "name": body.name,
            "role": body.role,
            "model": body.model,
            "instructions": body.instructions,
            "tools": list(body.tools),
            "parameters": body.parameters,
        }
    )
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/agents/{agent_id}",
    documented(
        "reviseAgent",
        "Change an agent: a new immutable version",
        requires=ReviseAgent.requires,
        answers=Answered[AgentWritten],
        body="AgentChanges",
        example={"instructions": "Answer in two sentences."},
        refusals=[AgentNotFound, Stale],
    ),
)
async def revise(call: Call) -> Response:
    changes = await call.body(AGENT_CHANGES)
    command = ReviseAgent(call.id("agent_id"), cast("JsonObject", changes), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/agents/{agent_id}/limits",
    documented(
        "limitAgent",
        "Say how many calls of models an agent makes at once, and what they use in a minute",
        requires=LimitAgent.requires,
        answers=Answered[AgentLimited],
        body="AgentLimits",
        example={"concurrent_calls": 4, "tokens_per_min": 100_000, "cost_usd_per_min": "0.5"},
        refusals=[AgentNotFound, Stale, QuotaReached],
    ),
)
async def limit(call: Call) -> Response:
    body = await call.body(AGENT_LIMITS)
    command = LimitAgent(call.id("agent_id"), body.model_dump(), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/agents/{agent_id}",
    documented(
        "deleteAgent",
        "Delete an agent; its versions stay readable",
        requires=DeleteAgent.requires,
        answers=Answered[AgentDeleted],
        refusals=[AgentNotFound, Stale],
    ),
)
async def delete(call: Call) -> Response:
    command = DeleteAgent(call.id("agent_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/agents/{agent_id}/execute",
    documented(
        "executeAgent",
        "Run one agent as an execution of one node",
        requires=ExecuteAgent.requires,
        answers=Answered[ExecutionAccepted],
        status=HTTPStatus.ACCEPTED,
        ended=Answered[ExecutionResult],
        body="AgentInput",
        example={"input": "What is an event store?"},
        refusals=[AgentNotFound, DataSubjectErased],
    ),
)
async def execute(call: Call) -> Response:
    body = await call.body(AGENT_INPUT)
    command = ExecuteAgent(call.id("agent_id"), body.input, body.data_subject)
    return await call.answer_at_end(command)


ROUTES = (create, revise, limit, delete, execute)
BODIES = (AGENT_BODY, AGENT_CHANGES, AGENT_LIMITS, AGENT_INPUT)
