"""Executions begin pinned to a definition and owed their end; they are cancelled at most once."""

from uuid import UUID

import pytest

from commands.admission_port import EngineBehind, TooManyOpenExecutions
from commands.executions import CancelExecution, ExecuteWorkflow
from commands.ports import ClosedExecution, OpenedExecution
from commands.workflows import DeleteWorkflow, ReviseWorkflow
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.executions import Execution, ExecutionEnded, ExecutionNotFound
from domain.payloads import PAYLOAD_BYTES_MAX
from domain.workflows import WorkflowVersionNotFound
from tests.commands.fakes import World
from tests.commands.test_workflows import ANSWER


async def a_workflow(world: World) -> UUID:
    (created,) = await world.given(ANSWER)
    return UUID(str(created["workflow_id"]))


async def an_execution(world: World) -> UUID:
    (begun,) = await world.given(ExecuteWorkflow(await a_workflow(world), {"question": "Why?"}))
    return UUID(str(begun["execution_id"]))


async def test_an_execution_begins_pinned_and_open() -> None:
    world = World()
    (workflow,) = await world.given(ANSWER)
    answer = await world.when(
        ExecuteWorkflow(UUID(str(workflow["workflow_id"])), {"question": "Why?"})
    )
    created = world.store.states[-1]
    assert created["definition_hash"] == workflow["definition_hash"]
    assert (created["workflow_version"], created["input"]) == (1, {"question": "Why?"})
    assert world.store.side_rows[-1] == OpenedExecution(UUID(str(answer.result["execution_id"])))
    assert answer.result["status"] == "PENDING"


async def test_an_execution_that_is_not_admitted_does_not_begin() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    before = len(world.store.events)
    world.admission.refusal = EngineBehind(retry_after_s=10)
    with pytest.raises(EngineBehind):
        await world.when(ExecuteWorkflow(workflow_id, {}))
    assert world.admission.asked == [world.tenant_id]
    assert len(world.store.events) == before


async def test_an_execution_that_began_is_answered_again_while_others_are_refused() -> None:
    world = World()
    command = ExecuteWorkflow(await a_workflow(world), {})
    begun = await world.when(command, key="k")
    world.admission.refusal = TooManyOpenExecutions(retry_after_s=5)
    again = await world.when(command, key="k")
    assert (again.result, again.is_replayed) == (begun.result, True)


async def test_an_invalid_input_does_not_count_as_admitted() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    with pytest.raises(Invalid):
        await world.when(ExecuteWorkflow(workflow_id, "x" * PAYLOAD_BYTES_MAX))
    assert world.admission.asked == []


async def test_a_workflow_that_only_runs_is_given_back_to_the_store() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    await world.given(ExecuteWorkflow(workflow_id, {}))
    assert world.store.kept == [workflow_id]


async def test_the_newest_version_runs_unless_another_is_asked_for() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    await world.given(ReviseWorkflow(workflow_id, {"name": "Reply"}))
    await world.given(
        ExecuteWorkflow(workflow_id, {}), ExecuteWorkflow(workflow_id, {}, workflow_version=1)
    )
    assert [state["workflow_version"] for state in world.store.states[-2:]] == [2, 1]


async def test_a_version_that_never_was_cannot_run() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    with pytest.raises(WorkflowVersionNotFound):
        await world.when(ExecuteWorkflow(workflow_id, {}, workflow_version=2))


async def test_an_input_has_a_size() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    with pytest.raises(Invalid):
        await world.when(ExecuteWorkflow(workflow_id, ["x" * PAYLOAD_BYTES_MAX]))
    largest = "x" * (PAYLOAD_BYTES_MAX - len('""'))
    await world.when(ExecuteWorkflow(workflow_id, largest))
    assert world.store.topics == ["workflow.created", "execution.created"]


async def test_a_cancelled_execution_is_closed() -> None:
    world = World()
    execution_id = await an_execution(world)
    answer = await world.when(CancelExecution(execution_id, "no longer needed"))
    assert answer.result == {"execution_id": str(execution_id), "status": "CANCELLED"}
    assert world.store.states[-1]["reason"] == "no longer needed"
    assert world.store.side_rows[-1] == ClosedExecution(execution_id)


async def test_cancelling_twice_records_nothing_new() -> None:
    world = World()
    execution_id = await an_execution(world)
    await world.given(CancelExecution(execution_id))
    answer = await world.when(CancelExecution(execution_id, "again"))
    assert (answer.result["status"], answer.position) == ("CANCELLED", None)
    assert world.store.topics[-2:] == ["execution.created", "execution.cancelled"]


async def test_an_ended_execution_cannot_be_cancelled() -> None:
    world = World()
    execution_id = await an_execution(world)
    execution = await world.store.load(Execution, execution_id, world.tenant_id)
    assert execution is not None
    execution.trigger_event(Execution.Completed, output=None)
    await world.store.append([execution], Envelope(world.tenant_id, "worker:1"))
    with pytest.raises(ExecutionEnded):
        await world.when(CancelExecution(execution_id))


async def test_deleting_a_workflow_leaves_its_executions_alone() -> None:
    world = World()
    execution_id = await an_execution(world)
    workflow_id = UUID(str(world.store.states[-1]["workflow_id"]))
    await world.given(DeleteWorkflow(workflow_id))
    answer = await world.when(CancelExecution(execution_id))
    assert answer.result["status"] == "CANCELLED"


async def test_an_unknown_execution_cannot_be_cancelled() -> None:
    world = World()
    with pytest.raises(ExecutionNotFound):
        await world.when(CancelExecution(world.ids.new()))
