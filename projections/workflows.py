"""workflows: each workflow as it is now. workflow_versions: every version there ever was."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from domain.workflows import Workflow
from projections.table import (
    BEGUN_BY_PERSON,
    SHARED_WITH_PERSON,
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
)


class Content(TypedDict):
    name: Text
    description: Text | None
    is_public: Boolean
    definition_hash: Text
    definition: JsonText


class WorkflowRow(Content):
    tenant_id: Uuid
    workflow_id: Uuid
    workflow_version: Integer
    is_deleted: Boolean
    created_at: Instant
    updated_at: Instant
    created_by: Text | None
    version: BigInt


class WorkflowVersionRow(Content):
    tenant_id: Uuid
    workflow_id: Uuid
    workflow_version: Integer
    created_at: Instant
    created_by: Text | None


def content_columns(fact: Workflow.Created | Workflow.Revised) -> Content:
    return {
        "name": fact.name,
        "description": fact.description,
        "is_public": fact.is_public,
        "definition_hash": fact.definition_hash,
        "definition": json_text(fact.definition),
    }


def evolve(row: WorkflowRow | None, event: Decoded, _key: Key) -> WorkflowRow:
    logged = event.logged
    match event.fact:
        case Workflow.Created() as fact:
            return {
                **content_columns(fact),
                "tenant_id": logged.tenant_id,
                "workflow_id": logged.stream_id,
                "workflow_version": 1,
                "is_deleted": False,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "created_by": logged.actor,
                "version": logged.version,
            }
        case Workflow.Revised() as fact:
            return {
                **present(row),
                **content_columns(fact),
                "workflow_version": fact.workflow_version,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Workflow.Deleted():
            return {
                **present(row),
                "is_deleted": True,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


def version_keys(event: Decoded) -> Sequence[Key]:
    logged, fact = event.logged, event.fact
    workflow_version = fact.workflow_version if isinstance(fact, Workflow.Revised) else 1
    return ((logged.tenant_id, logged.stream_id, workflow_version),)


def evolve_version(
    _row: WorkflowVersionRow | None, event: Decoded, _key: Key
) -> WorkflowVersionRow:
    logged = event.logged
    match event.fact:
        case Workflow.Created() as fact:
            workflow_version = 1
        case Workflow.Revised() as fact:
            workflow_version = fact.workflow_version
        case _:
            raise UnexpectedEvent(logged.topic)
    return {
        **content_columns(fact),
        "tenant_id": logged.tenant_id,
        "workflow_id": logged.stream_id,
        "workflow_version": workflow_version,
        "created_at": logged.recorded_at,
        "created_by": logged.actor,
    }


WORKFLOWS = Projection(
    name="workflows",
    version=1,
    row=WorkflowRow,
    key=("tenant_id", "workflow_id"),
    stream_column="workflow_id",
    aggregate=Workflow,
    events=(Workflow.Created, Workflow.Revised, Workflow.Deleted),
    keys=stream_key,
    evolve=evolve,
    own="(is_public AND workflow_id NOT IN (SELECT agentledger.unpublished())) OR "
    + BEGUN_BY_PERSON
    + " OR workflow_id"
    + SHARED_WITH_PERSON,
    indexes=(("tenant_id", "created_by", "workflow_id"),),
)
WORKFLOW_VERSIONS = Projection(
    name="workflow_versions",
    version=1,
    row=WorkflowVersionRow,
    key=("tenant_id", "workflow_id", "workflow_version"),
    stream_column="workflow_id",
    aggregate=Workflow,
    events=(Workflow.Created, Workflow.Revised),
    keys=version_keys,
    evolve=evolve_version,
    own="agentledger.sees_workflow(workflow_id)",
)
