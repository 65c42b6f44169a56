"""Templates are offered by who may, to whom they are for, and copied."""

from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.parts import UnknownParts
from commands.template_port import OfferedTemplate, WithdrawnTemplate
from commands.workflow_templates import CopyWorkflow, PublishTemplate, WithdrawTemplate
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow
from domain.definitions import InvalidDefinition
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.workflow_templates import TemplateNotFound
from domain.workflows import Workflow, WorkflowNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain, an_llm
from tests.commands.test_parts import created, naming_agent
from tests.commands.test_sharing import DEFINITION, House, house

__all__ = ["house"]

OFFERED = PublishTemplate("Answer", "Answers a question.", a_chain(an_llm("draft")))


async def published(world: World) -> UUID:
    answer = await world.when(OFFERED, caller=world.operator)
    return UUID(str(answer.result["workflow_id"]))


async def copied(world: World, workflow_id: UUID, caller: Caller | None = None) -> Workflow:
    command = CopyWorkflow(workflow_id, "Mine", None, is_public=False)
    answer = await world.when(command, caller=caller)
    copy_id = UUID(str(answer.result["workflow_id"]))
    assert copy_id != workflow_id
    copy = await world.store.load(Workflow, copy_id, world.tenant_id)
    assert copy is not None
    return copy


def template_rows(world: World) -> list[tuple[TenantId, object]]:
    rows = world.store.owned_side_rows
    return [one for one in rows if isinstance(one[1], OfferedTemplate | WithdrawnTemplate)]


async def test_what_the_operator_offers_is_every_tenants_to_copy() -> None:
    world = World()
    template_id = await published(world)
    assert template_rows(world) == [(PLATFORM, OfferedTemplate(template_id, 1))]
    copy = await copied(world, template_id)
    assert (copy.text.name, copy.text.description) == ("Mine", "Answers a question.")
    template = await world.store.load(Workflow, template_id, PLATFORM)
    assert template is not None
    assert copy.text.definition_hash == template.text.definition_hash
    assert world.store.envelopes[-1].tenant_id == world.tenant_id


async def test_no_tenant_offers_anything_to_others() -> None:
    world = World()
    for command in (OFFERED, WithdrawTemplate(world.ids.new())):
        with pytest.raises(MissingScope):
            await world.when(command)


async def test_what_is_withdrawn_cannot_be_copied_and_copies_stay() -> None:
    world = World()
    template_id = await published(world)
    copy = await copied(world, template_id)
    withdraw = WithdrawTemplate(template_id)
    await world.when(withdraw, caller=world.operator)
    assert template_rows(world)[1] == (PLATFORM, WithdrawnTemplate(template_id))
    with pytest.raises(WorkflowNotFound):
        await copied(world, template_id)
    with pytest.raises(TemplateNotFound):
        await world.when(withdraw, caller=world.operator)
    await copied(world, copy.id)


async def test_the_operator_withdraws_no_tenants_workflow() -> None:
    world = World()
    workflow_id = await created(world, DEFINITION, world.caller, is_public=True)
    with pytest.raises(TemplateNotFound):
        await world.when(WithdrawTemplate(workflow_id), caller=world.operator)


async def test_a_template_for_everybody_names_nothing_of_one_tenant() -> None:
    world = World()
    naming = PublishTemplate("Ask", None, naming_agent(world.ids.new()))
    with pytest.raises(InvalidDefinition) as refusal:
        await world.when(naming, caller=world.operator)
    (mistake,) = refusal.value.errors
    assert (mistake.path, mistake.code) == (
        "/definition/nodes/2/config/agent_id",
        "part_of_tenant",
    )


async def test_another_tenants_public_workflow_is_like_one_that_does_not_exist() -> None:
    world = World()
    other = Caller("api_key:other", TenantId(world.ids.new()), world.caller.scopes)
    theirs = await created(world, DEFINITION, other, is_public=True)
    for workflow_id in (theirs, world.ids.new()):
        with pytest.raises(WorkflowNotFound):
            await copied(world, workflow_id)


async def test_one_copies_what_is_public_and_ones_own_and_nothing_else(house: House) -> None:
    world = house.world
    public = await created(world, DEFINITION, house.ada, is_public=True)
    await copied(world, public, house.bob)
    with pytest.raises(WorkflowNotFound):
        await copied(world, house.workflow_id, house.bob)
    await copied(world, house.workflow_id, house.ada)
    await copied(world, house.workflow_id, house.admin)
    await world.when(DeleteWorkflow(public), caller=house.ada)
    with pytest.raises(WorkflowNotFound):
        await copied(world, public, house.bob)


async def test_a_copy_names_only_what_its_maker_may_run(house: House) -> None:
    public = await created(house.world, naming_agent(house.agent_id), house.ada, is_public=True)
    with pytest.raises(UnknownParts):
        await copied(house.world, public, house.bob)


async def test_what_is_public_is_offered_until_it_is_not() -> None:
    world = World()
    changed: JsonObject = a_chain(an_llm("other"))
    private = await created(world, DEFINITION, world.caller)
    assert template_rows(world) == []
    await world.given(
        ReviseWorkflow(private, {"is_public": True}),
        ReviseWorkflow(private, {"definition": changed}),
        ReviseWorkflow(private, {"is_public": False}),
        ReviseWorkflow(private, {"name": "Still private"}),
        ReviseWorkflow(private, {"is_public": True}),
        DeleteWorkflow(private),
    )
    assert [row for _, row in template_rows(world)] == [
        OfferedTemplate(private, 2),
        OfferedTemplate(private, 3),
        WithdrawnTemplate(private),
        OfferedTemplate(private, 6),
        WithdrawnTemplate(private),
    ]
    (answer,) = await world.given(CreateWorkflow("w", None, is_public=True, definition=changed))
    assert template_rows(world)[-1][1] == OfferedTemplate(UUID(str(answer["workflow_id"])), 1)
