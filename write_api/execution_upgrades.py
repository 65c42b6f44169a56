"""POST /executions/{id}/upgrade."""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.execution_upgrades import UpgradeExecution
from domain.execution_upgrades import AttemptsRunning, NotCompatible
from domain.executions import ExecutionEnded, ExecutionNotFound
from domain.workflows import WorkflowNotFound, WorkflowVersionNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, VersionNumber


class UpgradeBody(BaseModel):
    model_config = STRICT

    version: VersionNumber


class ExecutionUpgraded(BaseModel):
    execution_id: str
    status: str
    workflow_version: int
    definition_hash: str


UPGRADE_BODY = TypeAdapter(UpgradeBody)


@route(
    "POST",
    "/api/v1/executions/{execution_id}/upgrade",
    documented(
        "upgradeExecution",
        "Go on in another version of the workflow, if what was done fits it",
        requires=UpgradeExecution.requires,
        answers=Answered[ExecutionUpgraded],
        body="UpgradeBody",
        example={"version": 2},
        refusals=[
            ExecutionNotFound,
            WorkflowNotFound,
            WorkflowVersionNotFound,
            ExecutionEnded,
            AttemptsRunning,
            NotCompatible,
        ],
    ),
)
async def upgrade(call: Call) -> Response:
    body = await call.body(UPGRADE_BODY)
    command = UpgradeExecution(call.id("execution_id"), body.version)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (upgrade,)
BODIES = (UPGRADE_BODY,)
