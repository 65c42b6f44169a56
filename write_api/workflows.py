"""POST /workflows, PATCH and DELETE /workflows/{id}, POST /workflows/{id}/execute."""

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, with_config
from starlette.responses import Response
from typing_extensions import TypedDict

from commands.executions import ExecuteWorkflow
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow
from domain.definitions import InvalidDefinition
from domain.errors import Stale
from domain.subjects import DataSubjectErased
from domain.workflows import WorkflowNotFound
from write_api.edge import Call
from write_api.executions import ExecutionAccepted, ExecutionResult
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, Name, VersionNumber
from write_api.subjects import DataSubjectName

Description = Annotated[str, StringConstraints(max_length=4000)]
# Validated by the domain, which can name the node; here it is only described.
DefinitionJson: TypeAlias = Annotated[
    Any,
    Field(
        description=(
            "A graph: `{nodes: [{id, type, config, ...}], edges: [{from, to, port?}]}`;"
            " see GET /node-types."
        )
    ),
]


class WorkflowBody(BaseModel):
    model_config = STRICT

    name: Name
    description: Description | None = None
    is_public: bool = False
    definition: DefinitionJson


@with_config(STRICT)
class WorkflowChanges(TypedDict, total=False):
    name: Name
    description: Description | None
    is_public: bool
    definition: DefinitionJson


class WorkflowInput(BaseModel):
    """version: of the workflow; absent runs the newest."""

    model_config = STRICT

    input: AnyJson
    version: VersionNumber | None = None
    data_subject: DataSubjectName | None = None


class WorkflowWritten(BaseModel):
    workflow_id: str
    workflow_version: int
    definition_hash: str
    version: int


class WorkflowDeleted(BaseModel):
    workflow_id: str
    is_deleted: bool


WORKFLOW_BODY = TypeAdapter(WorkflowBody)
WORKFLOW_CHANGES = TypeAdapter(WorkflowChanges)
WORKFLOW_INPUT = TypeAdapter(WorkflowInput)

EXAMPLE = {
    "name": "Answer",
    "definition": {
        "nodes": [
            {"id": "start", "type": "start"},
            {
                "id": "draft",
                "type": "llm",
                "config": {"model": "offline/echo", "prompt": "Answer: {{ input.question }}"},
            },
            {
                "id": "end",
                "type": "end",
                "config": {"output": {"answer": "{{ nodes.draft.output.text }}"}},
            },
        ],
        "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
    },
}


@route(
    "POST",
    "/api/v1/workflows",
    documented(
        "createWorkflow",
        "Create a workflow; its definition is validated first",
        requires=CreateWorkflow.requires,
        answers=Answered[WorkflowWritten],
        status=HTTPStatus.CREATED,
        body="WorkflowBody",
        example=EXAMPLE,
        refusals=[InvalidDefinition],
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(WORKFLOW_BODY)
    command = CreateWorkflow(body.name, body.description, body.is_public, body.definition)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/workflows/{workflow_id}",
    documented(
        "reviseWorkflow",
        "Change a workflow: a new immutable version",
        requires=ReviseWorkflow.requires,
        answers=Answered[WorkflowWritten],
        body="WorkflowChanges",
        example={"description": "Answers a question."},
        refusals=[WorkflowNotFound, InvalidDefinition, Stale],
    ),
)
async def revise(call: Call) -> Response:
    changes = await call.body(WORKFLOW_CHANGES)
    command = ReviseWorkflow(call.id("workflow_id"), changes, call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/workflows/{workflow_id}",
    documented(
        "deleteWorkflow",
        "Delete a workflow; its executions go on",
        requires=DeleteWorkflow.requires,
        answers=Answered[WorkflowDeleted],
        refusals=[WorkflowNotFound, Stale],
    ),
)
async def delete(call: Call) -> Response:
    command = DeleteWorkflow(call.id("workflow_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/workflows/{workflow_id}/execute",
    documented(
        "executeWorkflow",
        "Run a workflow",
        requires=ExecuteWorkflow.requires,
        answers=Answered[ExecutionAccepted],
        status=HTTPStatus.ACCEPTED,
        ended=Answered[ExecutionResult],
        body="WorkflowInput",
        example={"input": {"question": "What is an event store?"}},
        refusals=[WorkflowNotFound, DataSubjectErased],
    ),
)
async def execute(call: Call) -> Response:
    body = await call.body(WORKFLOW_INPUT)
    command = ExecuteWorkflow(call.id("workflow_id"), body.input, body.version, body.data_subject)
    return await call.answer_at_end(command)


ROUTES = (create, revise, delete, execute)
BODIES = (WORKFLOW_BODY, WORKFLOW_CHANGES, WORKFLOW_INPUT)
