"""POST /executions/{id}/cancel, and what running anything answers with."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.executions import CancelExecution
from domain.execution_commands import BeingCompensated
from domain.executions import ExecutionEnded, ExecutionNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT


class CancelBody(BaseModel):
    """compensate: undo what the execution did, where that can be undone."""

    model_config = STRICT

    reason: Annotated[str, StringConstraints(max_length=1000)] | None = None
    compensate: bool = False


class ExecutionAccepted(BaseModel):
    execution_id: str
    status: str


class ExecutionResult(BaseModel):
    """error: {code, message, path, attempt} of an execution that failed."""

    execution_id: str
    status: str
    output: Any
    error: dict[str, Any] | None


CANCEL_BODY = TypeAdapter(CancelBody)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/cancel",
    documented(
        "cancelExecution",
        "Cancel an execution that has not ended",
        requires=CancelExecution.requires,
        answers=Answered[ExecutionAccepted],
        body="CancelBody",
        is_body_required=False,
        example={"reason": "no longer needed"},
        refusals=[ExecutionNotFound, ExecutionEnded, BeingCompensated],
    ),
)
async def cancel(call: Call) -> Response:
    body = await call.optional_body(CANCEL_BODY)
    command = CancelExecution(call.id("execution_id"), body.reason, must_undo=body.compensate)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (cancel,)
BODIES = (CANCEL_BODY,)
