"""POST /workflow-templates, DELETE /workflow-templates/{id}: what the operator offers to every
tenant. POST /workflow-templates/{id}/workflows: a workflow that begins as a copy of one.
"""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.parts import UnknownParts
from commands.workflow_templates import CreateFromTemplate, PublishTemplate, WithdrawTemplate
from domain.definitions import InvalidDefinition
from domain.workflow_templates import TemplateNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name
from write_api.workflows import EXAMPLE, DefinitionJson, Description, WorkflowWritten


class TemplateBody(BaseModel):
    model_config = STRICT

    name: Name
    description: Description | None = None
    definition: DefinitionJson


class FromTemplateBody(BaseModel):
    """description: null takes the template's."""

    model_config = STRICT

    name: Name
    description: Description | None = None
    is_public: bool = False


class TemplatePublished(BaseModel):
    template_id: str
    definition_hash: str


class TemplateWithdrawn(BaseModel):
    template_id: str
    is_withdrawn: bool


TEMPLATE_BODY = TypeAdapter(TemplateBody)
FROM_TEMPLATE_BODY = TypeAdapter(FromTemplateBody)


@route(
    "POST",
    "/api/v1/workflow-templates",
    documented(
        "publishTemplate",
        "Offer a workflow to every tenant as a starting point",
        requires=PublishTemplate.requires,
        answers=Answered[TemplatePublished],
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
    "/api/v1/workflow-templates/{template_id}",
    documented(
        "withdrawTemplate",
        "Offer it no longer; what was made from it stays",
        requires=WithdrawTemplate.requires,
        answers=Answered[TemplateWithdrawn],
        refusals=[TemplateNotFound],
    ),
)
async def withdraw(call: Call) -> Response:
    return await call.answer(WithdrawTemplate(call.id("template_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/workflow-templates/{template_id}/workflows",
    documented(
        "createWorkflowFromTemplate",
        "Create a workflow as a copy of a template: a public workflow of the tenant, or one of the"
        " platform's templates",
        requires=CreateFromTemplate.requires,
        answers=Answered[WorkflowWritten],
        status=HTTPStatus.CREATED,
        body="FromTemplateBody",
        example={"name": "My answer"},
        refusals=[TemplateNotFound, UnknownParts],
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(FROM_TEMPLATE_BODY)
    command = CreateFromTemplate(
        call.id("template_id"), body.name, body.description, body.is_public
    )
    return await call.answer(command, HTTPStatus.CREATED)


ROUTES = (publish, withdraw, create)
BODIES = (TEMPLATE_BODY, FROM_TEMPLATE_BODY)
