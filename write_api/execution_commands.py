"""POST /executions/{id}/pause, /resume, /retry, /compensate and /resolve."""

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.decisions import Command
from commands.execution_commands import (
    CompensateExecution,
    PauseExecution,
    ResolveExecution,
    ResumeExecution,
    RetryExecution,
)
from domain.errors import DomainError
from domain.execution_commands import (
    BeingCompensated,
    NothingToCompensate,
    NothingToResolve,
    NothingToRetry,
    NotPaused,
    StillRuns,
)
from domain.executions import ExecutionEnded, ExecutionNotFound
from write_api.edge import Call
from write_api.executions import ExecutionAccepted
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, NodePath


class ResolveBody(BaseModel):
    """node_id: the path of the node in the run. output: of a node that is done."""

    model_config = STRICT

    node_id: NodePath
    outcome: Literal["done", "retry", "skip"]
    output: AnyJson = None


RESOLVE_BODY = TypeAdapter(ResolveBody)


def _documented(
    operation_id: str, summary: str, kind: type[Command], *refusals: type[DomainError]
) -> dict[str, Any]:
    return documented(
        operation_id,
        summary,
        requires=kind.requires,
        answers=Answered[ExecutionAccepted],
        refusals=[ExecutionNotFound, *refusals],
    )


@route(
    "POST",
    "/api/v1/executions/{execution_id}/pause",
    _documented(
        "pauseExecution",
        "Pause an execution: nothing new begins, and what is under way goes on to its end",
        PauseExecution,
        ExecutionEnded,
        BeingCompensated,
    ),
)
async def pause(call: Call) -> Response:
    return await call.answer(PauseExecution(call.id("execution_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/resume",
    _documented("resumeExecution", "Resume a paused execution", ResumeExecution, NotPaused),
)
async def resume(call: Call) -> Response:
    return await call.answer(ResumeExecution(call.id("execution_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/retry",
    _documented(
        "retryExecution",
        "Retry a failed or cancelled execution from the nodes that failed",
        RetryExecution,
        NothingToRetry,
        BeingCompensated,
    ),
)
async def retry(call: Call) -> Response:
    return await call.answer(RetryExecution(call.id("execution_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/compensate",
    _documented(
        "compensateExecution",
        "Undo what an ended execution did",
        CompensateExecution,
        StillRuns,
        NothingToCompensate,
    ),
)
async def compensate(call: Call) -> Response:
    return await call.answer(CompensateExecution(call.id("execution_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/resolve",
    documented(
        "resolveExecution",
        "Say what a node did of which nobody knows, or that could not be undone",
        requires=ResolveExecution.requires,
        answers=Answered[ExecutionAccepted],
        body="ResolveBody",
        example={"node_id": "book", "outcome": "done", "output": {"id": 7}},
        refusals=[ExecutionNotFound, NothingToResolve],
    ),
)
async def resolve(call: Call) -> Response:
    body = await call.body(RESOLVE_BODY)
    command = ResolveExecution(call.id("execution_id"), body.node_id, body.outcome, body.output)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (pause, resume, retry, compensate, resolve)
BODIES = (RESOLVE_BODY,)
