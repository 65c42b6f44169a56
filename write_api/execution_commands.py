"""POST /executions/{id}/pause, /resume, /retry, /compensate and /resolve."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal, TypeAlias

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

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
    PayloadsGone,
    StillRuns,
)
from domain.executions import ExecutionEnded, ExecutionNotFound
from write_api.edge import Call
from write_api.executions import ExecutionAccepted
from write_api.openapi import Answered, documented
from write_api.routes import Route, route
from write_api.shapes import STRICT, AnyJson, NodePath


class ResolveBody(BaseModel):
    """node_id: the path of the node in the run. output: of a node that is done."""

    model_config = STRICT

    node_id: NodePath
    outcome: Literal["done", "retry", "skip"]
    output: AnyJson = None


RESOLVE_BODY = TypeAdapter(ResolveBody)
# All that is to be said is which execution it is about.
Decision: TypeAlias = type[PauseExecution | ResumeExecution | RetryExecution | CompensateExecution]


def _decision(
    path: str,
    operation_id: str,
    summary: str,
    kind: Decision,
    *,
    refusals: Sequence[type[DomainError]],
) -> Route:
    documentation = documented(
        operation_id,
        summary,
        requires=kind.requires,
        answers=Answered[ExecutionAccepted],
        refusals=[ExecutionNotFound, *refusals],
    )

    @route("POST", path, documentation)
    async def decide(call: Call) -> Response:
        return await call.answer(kind(call.id("execution_id")), HTTPStatus.OK)

    return decide


pause = _decision(
    "/api/v1/executions/{execution_id}/pause",
    "pauseExecution",
    "Pause an execution: nothing new begins, and what is under way goes on to its end",
    PauseExecution,
    refusals=[ExecutionEnded, BeingCompensated],
)
resume = _decision(
    "/api/v1/executions/{execution_id}/resume",
    "resumeExecution",
    "Resume a paused execution",
    ResumeExecution,
    refusals=[NotPaused],
)
retry = _decision(
    "/api/v1/executions/{execution_id}/retry",
    "retryExecution",
    "Retry a failed or cancelled execution from the nodes that failed",
    RetryExecution,
    refusals=[NothingToRetry, BeingCompensated, PayloadsGone],
)
compensate = _decision(
    "/api/v1/executions/{execution_id}/compensate",
    "compensateExecution",
    "Undo what an ended execution did",
    CompensateExecution,
    refusals=[StillRuns, NothingToCompensate, PayloadsGone],
)


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
