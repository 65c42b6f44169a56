"""Templates, and those among them that are most like a text or another workflow.

Everything is compared: what a tenant offers itself is little, and an index of all tenants' vectors
would find the neighbours of others first, and then nothing. The tenant's are read under its own row
security, and the platform's under that of the platform.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, LiteralString

import orjson
import strawberry

from infra.data_keys import PLATFORM
from infra.workflow_templates import template_text, vector_text
from read_api.arguments import MinPosition
from read_api.connections import uuid_or_nobody
from read_api.context import ReadContext, ReadInfo
from read_api.errors import refuse
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.scalars import Json

TEXT_CHARACTERS_MAX = 2_000
NEAREST_DEFAULT = 10
# Of a tenant, and of the platform: the newest.
COMPARED_MAX: LiteralString = "5000"
NOBODY = "00000000-0000-0000-0000-000000000000"

# fmt: off
TOLD: LiteralString = (
    "json_build_object('id', w.workflow_id, 'name', w.name, 'description', w.description,"
    " 'definition', w.definition, 'version', w.workflow_version)"
)
# A row of templates goes with the event that withdraws it, one of the read model a little later.
OFFERED: LiteralString = (
    " FROM templates AS t JOIN workflows_v1 AS w"
    "   ON w.tenant_id = t.tenant_id AND w.workflow_id = t.workflow_id"
    "  AND w.is_public AND NOT w.is_deleted"
)
# Definitions, which may be large, are looked at only of what is told.
NEAREST: LiteralString = (
    "SELECT json_agg(json_build_object('score', n.score, 'template', " + TOLD + ")"
    "   ORDER BY n.score DESC, n.workflow_id DESC)"
    " FROM (SELECT c.tenant_id, c.workflow_id, c.score FROM ("
    "   SELECT t.tenant_id, t.workflow_id,"
    "     similarity(t.embedding, vector_of($1->>'vector')) AS score" + OFFERED +
    "    WHERE t.model = $1->>'model' AND t.workflow_id <> ($1->>'except')::uuid"
    "    ORDER BY t.workflow_id DESC LIMIT " + COMPARED_MAX + ") AS c"
    "  WHERE c.score IS NOT NULL"
    "  ORDER BY c.score DESC, c.workflow_id DESC LIMIT ($1->>'first')::int) AS n"
    " JOIN workflows_v1 AS w ON w.tenant_id = n.tenant_id AND w.workflow_id = n.workflow_id"
)
NEWEST: LiteralString = (
    "SELECT json_agg(n.told ORDER BY n.workflow_id DESC) FROM ("
    "  SELECT t.workflow_id, " + TOLD + " AS told" + OFFERED +
    "   ORDER BY t.workflow_id DESC LIMIT ($1->>'first')::int) AS n"
)
# With its embedding, if it is a template itself and has one of its present version.
WORKFLOW: LiteralString = (
    "SELECT json_build_object('name', w.name, 'description', w.description,"
    "  'definition', w.definition, 'vector', (SELECT t.embedding::text FROM templates AS t"
    "     WHERE t.tenant_id = w.tenant_id AND t.workflow_id = w.workflow_id"
    "       AND t.model = $1->>'model' AND t.embedded_version = w.workflow_version))"
    " FROM workflows_v1 AS w WHERE w.workflow_id = ($1->>'id')::uuid AND NOT w.is_deleted"
)
# fmt: on


@strawberry.enum(description="Who offers it.")
class TemplateOwner(Enum):
    TENANT = "tenant"
    PLATFORM = "platform"


@strawberry.type(
    description="A public workflow as a starting point: POST /workflows/{id}/copy"
    " makes a workflow of one's own of it."
)
class WorkflowTemplate:
    id: strawberry.ID
    owner: TemplateOwner
    name: str
    description: str | None
    version: int
    definition: Json


@strawberry.type
class SimilarWorkflow:
    score: float = strawberry.field(
        description="The cosine of the angle between both: 1 is the same, about 0 nothing alike."
        " Scores of different embedding models say nothing to each other."
    )
    model: str = strawberry.field(
        description="The embedding model they were compared by. `offline/hash` finds words in"
        " common, not what they mean."
    )
    template: WorkflowTemplate


async def workflow_templates(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    owner: TemplateOwner | None = None,
    _min_position: MinPosition = None,
) -> list[WorkflowTemplate]:
    """The tenant's come before the platform's."""
    size = first or PAGE_SIZE_DEFAULT
    found = [
        _template(one, told)
        for one in ([owner] if owner else TemplateOwner)
        for told in await _rows(info.context, one, NEWEST, {"first": size})
    ]
    return found[:size]


async def similar_workflows(
    info: ReadInfo,
    text: Annotated[str | None, strawberry.argument(description="What it should be about.")] = None,
    workflow_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="Instead: like this one.")
    ] = None,
    *,
    first: int | None = NEAREST_DEFAULT,
    _min_position: MinPosition = None,
) -> list[SimilarWorkflow]:
    """Nothing is like a workflow that is not there. Raises DomainError when the embedding model
    does not answer.
    """
    context = info.context
    vector = await _embedded(context, text) if text is not None else await _of(context, workflow_id)
    if vector is None:
        return []
    size = first or NEAREST_DEFAULT
    asked = {
        "vector": vector,
        "model": context.sources.embedding_model,
        "except": uuid_or_nobody(workflow_id or NOBODY),
        "first": size,
    }
    found = [
        SimilarWorkflow(
            score=row["score"],
            model=context.sources.embedding_model,
            template=_template(owner, row["template"]),
        )
        for owner in TemplateOwner
        for row in await _rows(context, owner, NEAREST, asked)
    ]
    return sorted(found, key=lambda one: one.score, reverse=True)[:size]


def check_similar(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    del limits
    text = arguments.get("text")
    if (text is None) == (arguments.get("workflowId") is None):
        raise refuse("bad_search", "Either `text` or `workflowId` is given.")
    if text is not None and not 0 < len(text.strip()) <= len(text) <= TEXT_CHARACTERS_MAX:
        raise refuse("bad_search", f"`text` has 1 to {TEXT_CHARACTERS_MAX} characters.")


async def _of(context: ReadContext, workflow_id: str | None) -> str | None:
    """Of a workflow that the caller sees, or of a template of the platform."""
    asked = {
        "id": uuid_or_nobody(workflow_id or NOBODY),
        "model": context.sources.embedding_model,
    }
    told = await context.loaded(WORKFLOW, asked) or await _of_platform(context, WORKFLOW, asked)
    if told is None:
        return None
    if told["vector"] is not None:
        return told["vector"]
    text = template_text(told["name"], told["description"], told["definition"])
    return await _embedded(context, text)


async def _embedded(context: ReadContext, text: str) -> str:
    caller = context.caller
    assert caller.tenant_id is not None
    return vector_text(await context.sources.embed(caller.tenant_id, text, caller.actor))


async def _rows(
    context: ReadContext,
    owner: TemplateOwner,
    query: LiteralString,
    asked: Mapping[str, object],
) -> Sequence[Any]:
    if owner is TemplateOwner.TENANT:
        return await context.loaded(query, asked) or ()
    return await _of_platform(context, query, asked) or ()


async def _of_platform(context: ReadContext, query: LiteralString, asked: Mapping[str, Any]) -> Any:
    """What is offered to everybody: all workflows of the platform are templates."""
    found = await context.sources.database.tenant_json(PLATFORM, query, dict(asked))
    return None if found is None else orjson.loads(found)


def _template(owner: TemplateOwner, told: Mapping[str, Any]) -> WorkflowTemplate:
    return WorkflowTemplate(owner=owner, **told)
