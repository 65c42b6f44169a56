"""POST /executions/{id}/fork."""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.execution_forks import ForkExecution
from domain.executions import ExecutionNotFound
from domain.workflows import WorkflowNotFound, WorkflowVersionNotFound
from write_api.edge import Call
from write_api.executions import ExecutionAccepted, ExecutionResult
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, NodePath, VersionNumber


class ForkBody(BaseModel):
    """from_node: where the fork begins to differ. input: absent is that of the original.

    version: of the workflow; absent is the one that the original runs.
    """

    model_config = STRICT

    from_node: NodePath
    input: AnyJson = None
    version: VersionNumber | None = None


FORK_BODY = TypeAdapter(ForkBody)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/fork",
    documented(
        "forkExecution",
        "Run again from a node, as a new execution that has what was done before it",
        requires=ForkExecution.requires,
        answers=Answered[ExecutionAccepted],
        status=HTTPStatus.ACCEPTED,
        ended=Answered[ExecutionResult],
        body="ForkBody",
        example={"from_node": "draft", "input": {"question": "Why?"}},
        refusals=[ExecutionNotFound, WorkflowNotFound, WorkflowVersionNotFound],
    ),
)
async def fork(call: Call) -> Response:
    body = await call.body(FORK_BODY)
    command = ForkExecution(
        call.id("execution_id"),
        body.from_node,
        body.input,
        has_input="input" in body.model_fields_set,
        workflow_version=body.version,
    )
    return await call.answer_at_end(command)


ROUTES = (fork,)
BODIES = (FORK_BODY,)
