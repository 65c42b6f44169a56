"""A run asks whether it may run a part of it when it comes to the part."""

from functools import partial
from uuid import UUID

from commands.authorization import Caller
from commands.executions import ExecuteWorkflow
from commands.sharing import EndAgentShare, EndWorkflowShare, ShareAgent, ShareWorkflow
from commands.workflows import CreateWorkflow
from domain.identifiers import Json, JsonObject
from tests.commands.test_sharing import DEFINITION, House, house
from tests.domain.given import ENDS, a_graph, a_node
from tests.sagas.steps import Worker, topics_of, until

__all__ = ["house"]


async def begun(
    house: House,
    definition: JsonObject,
    by: Caller,
    given: Json = None,
    *,
    of: Caller | None = None,
) -> UUID:
    """A run of a public workflow. of: who made that, if not who runs it."""
    create = CreateWorkflow("w", None, is_public=True, definition=definition)
    made = await house.world.when(create, caller=of or by)
    run = ExecuteWorkflow(UUID(str(made.result["workflow_id"])), given)
    answer = await house.world.when(run, caller=by)
    return UUID(str(answer.result["execution_id"]))


def asking(agent_id: str) -> JsonObject:
    node = a_node("agent", "ask", agent_id=agent_id, input="why?")
    return a_graph([node], ["start -> ask", "ask -> end"])


def starting(workflow_id: UUID) -> JsonObject:
    node = a_node("sub_workflow", "child", workflow_id=str(workflow_id), input={})
    return a_graph([node], ["start -> child", "child -> end"])


async def worked(house: House, execution_id: UUID) -> tuple[str, str]:
    """(the last topic, the last event's text) at the end; models answer `because`."""
    worker = Worker(house.world)
    await worker.own_everything()

    def is_ended() -> bool:
        for place, (_, answer) in enumerate(worker.models.calls):
            if not answer.done():
                worker.models.answer(place, "because")
        return topics_of(house.world, execution_id)[-1] in ENDS

    await until(is_ended, "the run has ended")
    await worker.stop()
    events = [one for one in house.world.store.events if one.originator_id == execution_id]
    return events[-1].topic, events[-1].state.decode()


async def test_a_part_whose_share_ended_since_the_run_began_is_not_run(house: House) -> None:
    with_bob = (house.id_of(house.bob), None, "execute")
    await house.world.when(ShareAgent(house.agent_id, *with_bob), caller=house.ada)
    await house.world.when(ShareWorkflow(house.workflow_id, *with_bob), caller=house.ada)
    asks = await begun(house, asking(str(house.agent_id)), house.bob)
    starts = await begun(house, starting(house.workflow_id), house.bob)
    bob_id = house.id_of(house.bob)
    await house.world.when(EndAgentShare(house.agent_id, bob_id), caller=house.ada)
    await house.world.when(EndWorkflowShare(house.workflow_id, bob_id), caller=house.ada)
    for execution_id, code in ((asks, "agent_not_found"), (starts, "workflow_not_found")):
        topic, text = await worked(house, execution_id)
        assert topic == "execution.failed"
        assert code in text


async def test_what_the_owner_of_the_workflow_named_runs_for_everybody(house: House) -> None:
    execution_id = await begun(house, asking(str(house.agent_id)), house.bob, of=house.ada)
    assert (await worked(house, execution_id))[0] == "execution.completed"


async def test_an_id_that_came_with_the_input_is_the_word_of_who_runs_it(house: House) -> None:
    """Whoever may run a workflow of Ada's does not run all her agents by it."""
    given: JsonObject = {"agent_id": str(house.agent_id)}
    for by, end in ((house.bob, "failed"), (house.ada, "completed")):
        definition = asking("{{ input.agent_id }}")
        execution_id = await begun(house, definition, by, given, of=house.ada)
        assert (await worked(house, execution_id))[0] == f"execution.{end}"


async def test_a_public_workflow_is_started_by_the_runs_of_everybody(house: House) -> None:
    public = CreateWorkflow("w", None, is_public=True, definition=DEFINITION)
    made = await house.world.when(public, caller=house.ada)
    child = UUID(str(made.result["workflow_id"]))
    execution_id = await begun(house, starting(child), house.bob)
    worker = Worker(house.world)
    await worker.own_everything()
    topics = partial(topics_of, house.world, execution_id)
    await until(lambda: "execution.child_started" in topics(), "the child begins")
    await worker.stop()
