"""Workflows: a definition is validated before it is stored, and every change is a new immutable
version.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

import orjson
from typing_extensions import TypedDict

from commands.decisions import Command, Decided, Tenancy, require_version
from commands.ownership import load_own
from commands.parts import require_parts
from commands.pinned_definitions import PARSED_AT_ONCE_BYTES_MAX
from commands.plan_port import CountedPart, RemovedPart
from commands.ports import SideRow, StoredDefinition
from commands.sharing import shares_ended_with
from commands.sharing_port import ChangedPublicity
from commands.template_port import OfferedTemplate, WithdrawnTemplate
from domain.definitions import Definition, InvalidDefinition, parse_definition
from domain.identifiers import Json, JsonObject
from domain.workflows import Workflow, WorkflowNotFound, WorkflowText


@dataclass(frozen=True, slots=True)
class CreateWorkflow(Command):
    requires: ClassVar[str] = "workflows:write"

    name: str
    description: str | None
    is_public: bool
    definition: Json


class WorkflowChanges(TypedDict, total=False):
    name: str
    description: str | None
    is_public: bool
    definition: Json


@dataclass(frozen=True, slots=True)
class ReviseWorkflow(Command):
    """changes: what becomes different; changing nothing makes no version."""

    requires: ClassVar[str] = "workflows:write"

    workflow_id: UUID
    changes: WorkflowChanges
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteWorkflow(Command):
    requires: ClassVar[str] = "workflows:write"

    workflow_id: UUID
    expected_version: int | None = None


async def create_workflow(command: CreateWorkflow, on: Tenancy) -> Decided:
    definition = await parsed_definition(command.definition)
    return await created_workflow(
        on,
        definition,
        name=command.name,
        description=command.description,
        is_public=command.is_public,
    )


async def created_workflow(
    on: Tenancy, definition: Definition, *, name: str, description: str | None, is_public: bool
) -> Decided:
    """Raises UnknownParts."""
    await require_parts(on, definition.parts)
    workflow = on.begin(
        Workflow,
        on.ports.ids.new(),
        name=name,
        description=description,
        is_public=is_public,
        definition=definition.canonical,
        definition_hash=definition.hash,
    )
    rows: list[SideRow] = [stored_definition(workflow.text), CountedPart("workflows", workflow.id)]
    if is_public:
        rows.append(OfferedTemplate(workflow.id, workflow.current_version))
    return Decided(presented(workflow), aggregates=(workflow,), side_rows=rows)


async def revise_workflow(command: ReviseWorkflow, on: Tenancy) -> Decided:
    workflow = await load_own(
        on, Workflow, command.workflow_id, WorkflowNotFound, scope=command.requires
    )
    workflow.require_present()
    require_version(workflow, command.expected_version)
    text, was_public = await _changed(on, workflow, command.changes), workflow.text.is_public
    workflow.revise(text)
    rows: list[SideRow] = [stored_definition(text)]
    if text.is_public != was_public:
        rows.append(ChangedPublicity(workflow.id, text.is_public))
    if text.is_public:
        rows.append(OfferedTemplate(workflow.id, workflow.current_version))
    elif was_public:
        rows.append(WithdrawnTemplate(workflow.id))
    return Decided(presented(workflow), aggregates=(workflow,), side_rows=rows)


async def delete_workflow(command: DeleteWorkflow, on: Tenancy) -> Decided:
    workflow = await load_own(
        on, Workflow, command.workflow_id, WorkflowNotFound, scope=command.requires
    )
    workflow.require_present()
    require_version(workflow, command.expected_version)
    workflow.delete()
    sharing, ended = await shares_ended_with(on, command.workflow_id)
    rows: list[SideRow] = [RemovedPart("workflows", workflow.id), *ended]
    if workflow.text.is_public:
        rows += (ChangedPublicity(workflow.id, is_public=False), WithdrawnTemplate(workflow.id))
    result: JsonObject = {"workflow_id": str(workflow.id), "is_deleted": True}
    return Decided(result, aggregates=(workflow, *sharing), side_rows=rows)


async def _changed(on: Tenancy, workflow: Workflow, changes: WorkflowChanges) -> WorkflowText:
    text = workflow.text
    changed = replace(
        text,
        name=changes.get("name", text.name),
        description=changes.get("description", text.description),
        is_public=changes.get("is_public", text.is_public),
    )
    if "definition" in changes:
        definition = await parsed_definition(changes["definition"])
        await require_parts(on, definition.parts, workflow.id)
        changed = replace(changed, definition=definition.canonical, definition_hash=definition.hash)
    return changed


async def parsed_definition(raw: Json) -> Definition:
    """Raises InvalidDefinition with paths into the request: the definition is its member."""
    try:
        if len(orjson.dumps(raw)) <= PARSED_AT_ONCE_BYTES_MAX:
            return parse_definition(raw)
        return await asyncio.to_thread(parse_definition, raw)
    except InvalidDefinition as error:
        placed = [replace(mistake, path=f"/definition{mistake.path}") for mistake in error.errors]
        raise InvalidDefinition(error.detail, errors=placed) from None


def stored_definition(text: WorkflowText) -> StoredDefinition:
    return StoredDefinition(text.definition_hash, text.definition)


def presented(workflow: Workflow) -> JsonObject:
    return {
        "workflow_id": str(workflow.id),
        "workflow_version": workflow.current_version,
        "definition_hash": workflow.text.definition_hash,
        "version": workflow.version,
    }
