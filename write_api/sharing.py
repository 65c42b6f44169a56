"""POST /workflows/{id}/shares, DELETE /workflows/{id}/shares/{share_id}, and the same of agents."""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import ScopeNotHeld
from commands.sharing import EndAgentShare, EndWorkflowShare, ShareAgent, ShareWorkflow
from domain.agents import AgentNotFound
from domain.errors import Invalid
from domain.sharing import ShareNotFound, TooManyShares
from domain.workflows import WorkflowNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT

ROLE_CHARACTERS_MAX = 36


class WithUser(BaseModel):
    model_config = STRICT

    user: Annotated[UUID, Field(strict=False)]


class WithRole(BaseModel):
    model_config = STRICT

    role: Annotated[str, StringConstraints(min_length=1, max_length=ROLE_CHARACTERS_MAX)] = Field(
        description="ADMIN, USER, VIEWER, RESELLER, or the id of a role of the tenant's own making."
    )


class ShareBody(BaseModel):
    """access: `view` shows it and its runs, whoever started them; `execute` lets run it, and shows
    it and one's own runs.
    """

    model_config = STRICT

    with_: Annotated[WithUser | WithRole, Field(alias="with")]
    access: Literal["view", "execute"]


class ShareTold(BaseModel):
    share_id: str
    with_: Annotated[dict[str, str], Field(alias="with")]
    access: str


class SharesEnded(BaseModel):
    ended: int


SHARE_BODY = TypeAdapter(ShareBody)

EXAMPLE = {"with": {"role": "VIEWER"}, "access": "view"}


@route(
    "POST",
    "/api/v1/workflows/{workflow_id}/shares",
    documented(
        "shareWorkflow",
        "Share a workflow with somebody, or with a role",
        requires=ShareWorkflow.requires,
        answers=Answered[ShareTold],
        status=HTTPStatus.CREATED,
        body="ShareBody",
        example=EXAMPLE,
        refusals=[WorkflowNotFound, ScopeNotHeld, TooManyShares, Invalid],
    ),
)
async def share_workflow(call: Call) -> Response:
    body = await call.body(SHARE_BODY)
    command = ShareWorkflow(call.id("workflow_id"), *_grantee(body), body.access)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "DELETE",
    "/api/v1/workflows/{workflow_id}/shares/{share_id}",
    documented(
        "endWorkflowShare",
        "End a share of a workflow, or all that are with one user, by their id",
        requires=EndWorkflowShare.requires,
        answers=Answered[SharesEnded],
        refusals=[WorkflowNotFound, ShareNotFound],
    ),
)
async def end_workflow_share(call: Call) -> Response:
    command = EndWorkflowShare(call.id("workflow_id"), call.id("share_id"))
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/agents/{agent_id}/shares",
    documented(
        "shareAgent",
        "Share an agent with somebody, or with a role",
        requires=ShareAgent.requires,
        answers=Answered[ShareTold],
        status=HTTPStatus.CREATED,
        body="ShareBody",
        example=EXAMPLE,
        refusals=[AgentNotFound, ScopeNotHeld, TooManyShares, Invalid],
    ),
)
async def share_agent(call: Call) -> Response:
    body = await call.body(SHARE_BODY)
    command = ShareAgent(call.id("agent_id"), *_grantee(body), body.access)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "DELETE",
    "/api/v1/agents/{agent_id}/shares/{share_id}",
    documented(
        "endAgentShare",
        "End a share of an agent, or all that are with one user, by their id",
        requires=EndAgentShare.requires,
        answers=Answered[SharesEnded],
        refusals=[AgentNotFound, ShareNotFound],
    ),
)
async def end_agent_share(call: Call) -> Response:
    command = EndAgentShare(call.id("agent_id"), call.id("share_id"))
    return await call.answer(command, HTTPStatus.OK)


def _grantee(body: ShareBody) -> tuple[UUID | None, str | None]:
    if isinstance(body.with_, WithUser):
        return body.with_.user, None
    return None, body.with_.role


ROUTES = (share_workflow, end_workflow_share, share_agent, end_agent_share)
BODIES = (SHARE_BODY,)
