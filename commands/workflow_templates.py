"""Templates: what the operator offers to every tenant, and workflows that are begun as copies."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.template_port import OfferedTemplate, WithdrawnTemplate
from commands.workflows import created_workflow, parsed_definition, stored_definition
from domain.definitions import InvalidDefinition
from domain.errors import FieldError
from domain.identifiers import PLATFORM, Json, JsonObject, TenantId
from domain.workflow_templates import TemplateNotFound
from domain.workflows import Workflow


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

    template_id: UUID

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


@dataclass(frozen=True, slots=True)
class CreateFromTemplate(Command):
    """description: None takes the template's."""

    requires: ClassVar[str] = "workflows:write"

    template_id: UUID
    name: str
    description: str | None
    is_public: bool


async def publish_template(command: PublishTemplate, on: Tenancy) -> Decided:
    """Raises InvalidDefinition."""
    definition = await parsed_definition(command.definition)
    # An agent or a workflow is somebody's, and nobody else's to run.
    foreign = [
        FieldError(f"/definition{part.path}", "part_of_tenant", f"no tenant's {part.kind}")
        for part in definition.parts
    ]
    if foreign:
        raise InvalidDefinition("A template for every tenant names nothing of one.", errors=foreign)
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
        {"template_id": str(workflow.id), "definition_hash": definition.hash},
        aggregates=(workflow,),
        side_rows=(stored_definition(workflow.text), OfferedTemplate(workflow.id, 1)),
    )


async def withdraw_template(command: WithdrawTemplate, on: Tenancy) -> Decided:
    """Raises TemplateNotFound."""
    workflow = await on.load(Workflow, command.template_id, TemplateNotFound)
    if workflow.is_deleted:
        raise TemplateNotFound
    workflow.delete()
    result: JsonObject = {"template_id": str(workflow.id), "is_withdrawn": True}
    return Decided(result, aggregates=(workflow,), side_rows=(WithdrawnTemplate(workflow.id),))


async def create_from_template(command: CreateFromTemplate, on: Tenancy) -> Decided:
    """A copy of its newest version, which later ones do not change. Raises TemplateNotFound,
    UnknownParts.
    """
    template = await _template(on, command.template_id)
    said = command.description
    return await created_workflow(
        on,
        await parsed_definition(template.text.definition),
        name=command.name,
        description=template.text.description if said is None else said,
        is_public=command.is_public,
    )


async def _template(on: Tenancy, template_id: UUID) -> Workflow:
    """Of the caller's tenant, or else the platform's. What is not public is not there."""
    for owner in (on.tenant_id, PLATFORM):
        workflow = await on.ports.events.load(Workflow, template_id, owner)
        if workflow is None:
            continue
        on.ports.events.keep(workflow, owner)
        if workflow.text.is_public and not workflow.is_deleted:
            return workflow
    raise TemplateNotFound
