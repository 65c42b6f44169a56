"""Templates: what the operator offers to every tenant, and workflows that are begun as copies."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.ownership import began
from commands.template_port import OfferedTemplate, WithdrawnTemplate
from commands.workflows import (
    created_workflow,
    parsed_definition,
    presented,
    stored_definition,
)
from domain.definitions import InvalidDefinition
from domain.errors import FieldError
from domain.identifiers import PLATFORM, Json, JsonObject, TenantId
from domain.workflow_templates import TemplateNotFound
from domain.workflows import Workflow, WorkflowNotFound


@dataclass(frozen=True, slots=True)
class PublishTemplate(Command):
    """For every tenant of the installation, as a public workflow of the platform."""

    requires: ClassVar[str] = "templates:write"

    name: str
    description: str | None
    definition: Json

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


@dataclass(frozen=True, slots=True)
class WithdrawTemplate(Command):
    """What was made from it stays."""

    requires: ClassVar[str] = "templates:write"

    workflow_id: UUID

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


@dataclass(frozen=True, slots=True)
class CopyWorkflow(Command):
    """description: None takes that of what is copied."""

    requires: ClassVar[str] = "workflows:write"

    workflow_id: UUID
    name: str
    description: str | None
    is_public: bool


async def publish_template(command: PublishTemplate, on: Tenancy) -> Decided:
    """Raises InvalidDefinition."""
    definition = await parsed_definition(command.definition)
    # An agent or a workflow is somebody's, and nobody else's to run.
    foreign = [
        FieldError(
            f"/definition{part.path}", "part_of_tenant", f"it names one tenant's {part.kind}"
        )
        for part in definition.parts
    ]
    if foreign:
        raise InvalidDefinition(
            "A template for every tenant names no agent and no workflow.", errors=foreign
        )
    workflow = on.begin(
        Workflow,
        on.ports.ids.new(),
        name=command.name,
        description=command.description,
        is_public=True,
        definition=definition.canonical,
        definition_hash=definition.hash,
    )
    return Decided(
        presented(workflow),
        aggregates=(workflow,),
        side_rows=(stored_definition(workflow.text), OfferedTemplate(workflow.id, 1)),
    )


async def withdraw_template(command: WithdrawTemplate, on: Tenancy) -> Decided:
    """Raises TemplateNotFound."""
    workflow = await on.load(Workflow, command.workflow_id, TemplateNotFound)
    if workflow.is_deleted:
        raise TemplateNotFound
    workflow.delete()
    result: JsonObject = {"workflow_id": str(workflow.id), "is_deleted": True}
    return Decided(result, aggregates=(workflow,), side_rows=(WithdrawnTemplate(workflow.id),))


async def copy_workflow(command: CopyWorkflow, on: Tenancy) -> Decided:
    """Of its newest version; later ones do not change the copy. Raises WorkflowNotFound,
    UnknownParts.
    """
    original = await _original(on, command.workflow_id)
    description = original.text.description if command.description is None else command.description
    return await created_workflow(
        on,
        await parsed_definition(original.text.definition),
        name=command.name,
        description=description,
        is_public=command.is_public,
    )


async def _original(on: Tenancy, workflow_id: UUID) -> Workflow:
    """A template, of the tenant or of the platform, or the caller's own."""
    own = await on.ports.events.load(Workflow, workflow_id, on.tenant_id)
    owner = PLATFORM if own is None else on.tenant_id
    workflow = own or await on.ports.events.load(Workflow, workflow_id, PLATFORM)
    if workflow is None:
        raise WorkflowNotFound
    on.ports.events.keep(workflow, owner)
    if workflow.is_deleted or not (workflow.text.is_public or await _is_own(on, workflow_id)):
        raise WorkflowNotFound
    return workflow


async def _is_own(on: Tenancy, workflow_id: UUID) -> bool:
    return CopyWorkflow.requires not in on.caller.own_only or await began(on, workflow_id)
