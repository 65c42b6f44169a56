"""Triggers on the fakes, looked at as a worker does."""

from uuid import UUID

from commands.authorization import Caller
from commands.dispatch import Answer
from commands.trigger_fires import FireDueTrigger
from commands.trigger_port import StoredDueTrigger
from commands.triggers import CreateTrigger, TriggerContent
from commands.workflows import CreateWorkflow
from domain.identifiers import Json
from domain.triggers import Trigger
from tests.commands.fakes import World
from tests.commands.steps import a_chain, an_llm

HOURLY: Json = {"every_s": 3600}


async def a_workflow(world: World) -> UUID:
    definition = a_chain(an_llm("a"))
    (made,) = await world.given(CreateWorkflow("Flow", None, False, definition))
    return UUID(str(made["workflow_id"]))


async def a_trigger(world: World, *, caller: Caller | None = None, **content: Json) -> UUID:
    """Hourly, unless it is said otherwise."""
    if "webhook" not in content:
        content = {"schedule": HOURLY, **content}
    told: TriggerContent = {"name": "Hourly", **content}  # pyright: ignore[reportAssignmentType] # as it comes from a body
    workflow_id = await a_workflow(world)
    answer = await world.when(CreateTrigger(workflow_id, told), caller=caller)
    return UUID(str(answer.result["trigger_id"]))


async def looked_at(world: World, trigger_id: UUID, **told: object) -> Answer:
    caller = Caller(f"trigger:{trigger_id}", world.tenant_id, frozenset({FireDueTrigger.requires}))
    return await world.when(FireDueTrigger(trigger_id, **told), caller=caller)  # pyright: ignore[reportArgumentType] # fields of the command


async def loaded_trigger(world: World, trigger_id: UUID) -> Trigger:
    trigger = await world.store.load(Trigger, trigger_id, world.tenant_id)
    assert trigger is not None
    return trigger


def due_row(world: World) -> StoredDueTrigger:
    """The last one that was stored."""
    return [row for row in world.store.side_rows if isinstance(row, StoredDueTrigger)][-1]
