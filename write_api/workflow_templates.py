"""POST /workflow-templates, DELETE /workflow-templates/{id}: what the operator offers to every
tenant. POST /workflows/{id}/copy: a workflow that begins as a copy of a template.
"""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.parts import UnknownParts
from commands.workflow_templates import CopyWorkflow, PublishTemplate, WithdrawTemplate
from domain.definitions import InvalidDefinition
from domain.workflow_templates import TemplateNotFound
from domain.workflows import WorkflowNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name
from write_api.workflows import (
    EXAMPLE,
    DefinitionJson,
    Description,
    WorkflowDeleted,
    WorkflowWritten,
)


class TemplateBody(BaseModel):
    model_config = STRICT

    name: Name
    description: Description | None = None
    definition: DefinitionJson


class CopyBody(BaseModel):
    """description: null takes that of what is copied."""

    model_config = STRICT

    name: Name
    description: Description | None = None
    is_public: bool = False


TEMPLATE_BODY = TypeAdapter(TemplateBody)
COPY_BODY = TypeAdapter(CopyBody)


@route(
    "POST",
    "/api/v1/workflow-templates",
    documented(
        "publishTemplate",
        "Offer a workflow to every tenant as a starting point",
        requires=PublishTemplate.requires,
        answers=Answered[WorkflowWritten],
        status=HTTPStatus.CREATED,
        body="TemplateBody",
        example=EXAMPLE,
        refusals=[InvalidDefinition],
    ),
)
async def publish(call: Call) -> Response:
    body = await call.body(TEMPLATE_BODY)
    command = PublishTemplate(body.name, body.description, body.definition)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "DELETE",
    "/api/v1/workflow-templates/{workflow_id}",
    documented(
        "withdrawTemplate",
        "Offer it no longer; copies stay",
        requires=WithdrawTemplate.requires,
        answers=Answered[WorkflowDeleted],
        refusals=[TemplateNotFound],
    ),
)
async def withdraw(call: Call) -> Response:
    return await call.answer(WithdrawTemplate(call.id("workflow_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/workflows/{workflow_id}/copy",
    documented(
        "copyWorkflow",
        "Create a workflow as a copy of a template (a public workflow of the tenant, or one that"
        " the platform offers) or of one's own",
        requires=CopyWorkflow.requires,
        answers=Answered[WorkflowWritten],
        status=HTTPStatus.CREATED,
        body="CopyBody",
        example={"name": "Answer, in our words"},
        refusals=[WorkflowNotFound, UnknownParts],
    ),
)
async def copy(call: Call) -> Response:
    body = await call.body(COPY_BODY)
    command = CopyWorkflow(call.id("workflow_id"), body.name, body.description, body.is_public)
    return await call.answer(command, HTTPStatus.CREATED)


ROUTES = (publish, withdraw, copy)
BODIES = (TEMPLATE_BODY, COPY_BODY)
