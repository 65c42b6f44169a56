"""POST /executions/{id}/signals/{name}."""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.signals import SignalExecution
from domain.executions import ExecutionEnded, ExecutionNotFound
from domain.signals import NAME_CHARACTERS_MAX, SignalsTooLarge, TooManySignals
from write_api.edge import Call
from write_api.executions import ExecutionAccepted
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson


class SignalBody(BaseModel):
    """payload: what the node that waits for the signal outputs; at most 1 MiB."""

    model_config = STRICT

    payload: AnyJson = None


SIGNAL_BODY = TypeAdapter(SignalBody)
NAME = {
    "description": "The name that a node of type `signal` waits for.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_CHARACTERS_MAX,
        "pattern": "^[A-Za-z0-9_.-]+$",
    },
    "example": "paid",
}


@route(
    "POST",
    "/api/v1/executions/{execution_id}/signals/{name}",
    documented(
        "signalExecution",
        "Send a signal; it is kept until a node takes it",
        requires=SignalExecution.requires,
        answers=Answered[ExecutionAccepted],
        body="SignalBody",
        is_body_required=False,
        example={"payload": {"invoice": 17}},
        refusals=[ExecutionNotFound, ExecutionEnded, TooManySignals, SignalsTooLarge],
        path_parameters={"name": NAME},
    ),
)
async def signal(call: Call) -> Response:
    body = await call.optional_body(SIGNAL_BODY)
    command = SignalExecution(call.id("execution_id"), call.text("name"), body.payload)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (signal,)
BODIES = (SIGNAL_BODY,)
