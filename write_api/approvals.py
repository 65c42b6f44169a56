"""POST /executions/{id}/approvals/{node_id}."""

from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.approvals import DecideApproval
from domain.execution_commands import ApprovalDecidedAlready, ApprovalNotFound, NotAnAssignee
from domain.executions import ExecutionNotFound
from domain.nodes.approval import FormUnusable
from domain.payloads import MESSAGE_CHARACTERS_MAX
from write_api.edge import Call
from write_api.executions import ExecutionAccepted
from write_api.openapi import Answered, documented
from write_api.requests import PATH_TEXT_CHARACTERS_MAX
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson


class ApprovalBody(BaseModel):
    """edits: fit the form of the approval, if it has one; at most 1 MiB."""

    model_config = STRICT

    decision: Literal["approve", "reject"]
    comment: Annotated[str, StringConstraints(max_length=MESSAGE_CHARACTERS_MAX)] | None = None
    edits: AnyJson = None


APPROVAL_BODY = TypeAdapter(ApprovalBody)
NODE_ID = {
    "description": (
        "The id of the approval node; inside a body its path, URL-encoded: `map%5B3%5D%2Fok`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": PATH_TEXT_CHARACTERS_MAX},
    "example": "ok",
}


@route(
    "POST",
    "/api/v1/executions/{execution_id}/approvals/{node_id:path}",
    documented(
        "decideApproval",
        "Decide an approval that an execution waits for",
        requires=DecideApproval.requires,
        answers=Answered[ExecutionAccepted],
        body="ApprovalBody",
        example={"decision": "approve", "comment": "looks right", "edits": {"amount": 90}},
        refusals=[
            ExecutionNotFound,
            ApprovalNotFound,
            NotAnAssignee,
            ApprovalDecidedAlready,
            FormUnusable,
        ],
        path_parameters={"node_id": NODE_ID},
    ),
)
async def decide(call: Call) -> Response:
    body = await call.body(APPROVAL_BODY)
    command = DecideApproval(
        call.id("execution_id"),
        call.text("node_id"),
        body.decision,
        comment=body.comment,
        edits=body.edits,
    )
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (decide,)
BODIES = (APPROVAL_BODY,)
