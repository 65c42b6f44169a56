"""People pause, resume, retry, undo and resolve; what changes nothing stores nothing."""

from uuid import UUID

import pytest

from commands.admission_port import EngineBehind
from commands.authorization import Caller
from commands.execution_commands import (
    CompensateExecution,
    PauseExecution,
    ResolveExecution,
    ResumeExecution,
    RetryExecution,
)
from commands.executions import CancelExecution
from commands.pinned_definitions import pinned_definition
from commands.ports import ClosedExecution, OpenedExecution
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.execution_commands import (
    NothingToCompensate,
    NothingToResolve,
    NothingToRetry,
    NotPaused,
    Resolution,
    StillRuns,
)
from domain.execution_outcomes import interrupt
from domain.executions import ExecutionEnded, ExecutionNotFound
from domain.identifiers import Json, TenantId
from domain.payloads import PAYLOAD_BYTES_MAX
from tests.commands.fakes import World
from tests.commands.steps import UNDO, a_chain, a_run, an_llm, done, refused, worked

CHAIN = a_chain(an_llm("a"), an_llm("b"))
UNDOABLE = a_chain(an_llm("a", compensate=UNDO), an_llm("b"))


async def test_a_paused_execution_stays_open_and_goes_on_when_it_is_resumed() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    await worked(world, execution_id)
    answer = await world.when(PauseExecution(execution_id))
    assert answer.result == {"execution_id": str(execution_id), "status": "PAUSED"}
    assert world.store.side_rows[-1] == OpenedExecution(execution_id)
    answer = await world.when(ResumeExecution(execution_id))
    assert answer.result["status"] == "RUNNING"
    assert world.store.topics[-2:] == ["execution.paused", "execution.resumed"]


async def test_what_had_ended_is_not_retried_while_the_engine_is_behind() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    await worked(world, execution_id, refused("a"))
    world.admission.refusal = EngineBehind(retry_after_s=10)
    with pytest.raises(EngineBehind):
        await world.when(RetryExecution(execution_id))
    world.admission.refusal = None
    assert (await world.when(RetryExecution(execution_id))).result["status"] == "RUNNING"


async def test_pausing_twice_stores_nothing_and_answers_the_same() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    first = await world.when(PauseExecution(execution_id))
    count = len(world.store.events)
    again = await world.when(PauseExecution(execution_id))
    assert (again.result, again.position) == (first.result, None)
    assert len(world.store.events) == count
    assert world.store.kept[-1] == execution_id


async def test_only_what_is_paused_can_be_resumed() -> None:
    world = World()
    with pytest.raises(NotPaused):
        await world.when(ResumeExecution(await a_run(world, CHAIN)))


async def test_a_failed_execution_is_opened_again_from_the_node_that_failed() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    await worked(world, execution_id, refused("b"))
    assert world.store.side_rows[-1] == ClosedExecution(execution_id)
    answer = await world.when(RetryExecution(execution_id))
    assert answer.result["status"] == "RUNNING"
    assert world.store.states[-1]["paths"] == ["b"]
    assert world.store.side_rows[-1] == OpenedExecution(execution_id)
    assert (await worked(world, execution_id, done)).status == "COMPLETED"


async def test_what_goes_on_or_completed_cannot_be_retried() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    with pytest.raises(NothingToRetry):
        await world.when(RetryExecution(execution_id))
    await worked(world, execution_id, done)
    with pytest.raises(NothingToRetry):
        await world.when(RetryExecution(execution_id))


async def test_what_an_ended_execution_did_is_undone_on_request() -> None:
    world = World()
    execution_id = await a_run(world, UNDOABLE)
    await worked(world, execution_id, done)
    answer = await world.when(CompensateExecution(execution_id))
    assert answer.result["status"] == "COMPENSATING"
    assert world.store.side_rows[-1] == OpenedExecution(execution_id)
    assert (await worked(world, execution_id, done)).status == "COMPENSATED"


async def test_there_must_be_something_to_undo_and_the_run_must_have_ended() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    with pytest.raises(StillRuns):
        await world.when(CompensateExecution(execution_id))
    await worked(world, execution_id, done)
    with pytest.raises(NothingToCompensate):
        await world.when(CompensateExecution(execution_id))


async def test_cancelling_can_undo_what_was_done() -> None:
    world = World()
    execution_id = await a_run(world, UNDOABLE)
    await worked(world, execution_id)
    answer = await world.when(CancelExecution(execution_id, "no", must_undo=True))
    assert answer.result["status"] == "COMPENSATING"
    again = await world.when(CancelExecution(execution_id, "no", must_undo=True))
    assert (again.result, again.position) == (answer.result, None)


async def test_cancelling_undoes_nothing_unless_it_is_asked_to() -> None:
    world = World()
    execution_id = await a_run(world, UNDOABLE)
    answer = await world.when(CancelExecution(execution_id, must_undo=True))
    assert answer.result["status"] == "CANCELLED"


async def in_doubt(world: World) -> UUID:
    """Its worker went away while `a` ran, and `a` asks before it is tried again."""
    execution_id = await a_run(world, a_chain(an_llm("a", on_unknown="ask")))
    execution = await worked(world, execution_id)
    definition = await pinned_definition(world.store, world.tenant_id, execution.definition_hash)
    interrupt(execution, definition, now=world.clock.now())
    await world.store.append([execution], Envelope(world.tenant_id, "worker:1"))
    assert (await worked(world, execution_id)).status == "NEEDS_ATTENTION"
    return execution_id


@pytest.mark.parametrize(
    ("outcome", "output", "left"),
    [("done", {"id": 7}, []), ("skip", None, []), ("retry", None, ["a"])],
)
async def test_somebody_says_what_a_node_did_and_the_run_goes_on(
    outcome: Resolution, output: Json, left: list[str]
) -> None:
    world = World()
    execution_id = await in_doubt(world)
    answer = await world.when(ResolveExecution(execution_id, "a", outcome, output))
    assert answer.result["status"] == "RUNNING"
    assert world.store.side_rows[-1] == OpenedExecution(execution_id)
    world.clock.pass_time(days=36_500)  # Events carry the machine's time, the worker has ours.
    execution = await worked(world, execution_id)
    assert list(execution.runs.running) == left
    if not left:
        assert (execution.status, execution.runs.get("a").output) == ("COMPLETED", output)


async def test_only_a_node_in_doubt_is_resolved_with_an_output_that_fits() -> None:
    world = World()
    execution_id = await in_doubt(world)
    with pytest.raises(NothingToResolve):
        await world.when(ResolveExecution(execution_id, "b", "done"))
    with pytest.raises(Invalid) as refusal:
        await world.when(ResolveExecution(execution_id, "a", "done", "x" * PAYLOAD_BYTES_MAX))
    assert [mistake.path for mistake in refusal.value.errors] == ["/output"]


async def test_nothing_is_decided_about_what_has_ended_or_never_was() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    await worked(world, execution_id, done)
    with pytest.raises(ExecutionEnded):
        await world.when(PauseExecution(execution_id))
    for kind in (PauseExecution, ResumeExecution, RetryExecution, CompensateExecution):
        with pytest.raises(ExecutionNotFound):
            await world.when(kind(world.ids.new()))


async def test_a_decision_is_the_tenants_own() -> None:
    world = World()
    execution_id = await a_run(world, CHAIN)
    stranger = Caller("api_key:other", TenantId(world.ids.new()), world.caller.scopes)
    with pytest.raises(ExecutionNotFound):
        await world.when(PauseExecution(execution_id), caller=stranger)
