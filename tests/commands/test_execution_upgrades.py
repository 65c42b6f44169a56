"""A run is moved to another version where that fits, and goes on there."""

import pytest

from commands.execution_commands import PauseExecution
from commands.execution_upgrades import UpgradeExecution
from commands.ports import OpenedExecution
from domain.execution_upgrades import AttemptsRunning, NotCompatible
from domain.identifiers import JsonObject
from domain.workflows import WorkflowVersionNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, done, loaded, revised, worked

DELAY: JsonObject = {"id": "wait", "type": "delay", "config": {"duration_s": 60}}
OLD = a_chain(DELAY)
NEW = a_chain(DELAY, an_llm("fresh"))


async def test_a_waiting_run_goes_on_in_the_new_version() -> None:
    world = World()
    execution_id = await a_run(world, OLD)
    await worked(world, execution_id)
    await revised(world, execution_id, NEW)
    answer = await world.when(UpgradeExecution(execution_id, 2))
    execution = await loaded(world, execution_id)
    assert answer.result == {
        "execution_id": str(execution_id),
        "status": "WAITING",
        "workflow_version": 2,
        "definition_hash": execution.definition_hash,
    }
    assert world.store.side_rows[-1] == OpenedExecution(execution_id)
    world.clock.pass_time(minutes=2)
    assert list((await worked(world, execution_id)).runs.running) == ["fresh"]


async def test_upgrading_twice_is_once() -> None:
    world = World()
    execution_id = await a_run(world, OLD)
    await revised(world, execution_id, NEW)
    first = await world.when(UpgradeExecution(execution_id, 2))
    again = await world.when(UpgradeExecution(execution_id, 2))
    assert (again.result, again.position) == (first.result, None)


async def test_what_does_not_fit_is_refused() -> None:
    world = World()
    execution_id = await a_run(world, OLD)
    await worked(world, execution_id)
    await revised(world, execution_id, a_chain(an_llm("before"), DELAY))
    with pytest.raises(NotCompatible, match="`wait` has begun"):
        await world.when(UpgradeExecution(execution_id, 2))
    with pytest.raises(WorkflowVersionNotFound):
        await world.when(UpgradeExecution(execution_id, 3))


async def test_a_run_is_moved_between_attempts_only() -> None:
    world = World()
    execution_id = await a_run(world, a_chain(an_llm("a")))
    await worked(world, execution_id)
    await revised(world, execution_id, a_chain(an_llm("a"), an_llm("b")))
    await world.given(PauseExecution(execution_id))
    with pytest.raises(AttemptsRunning):
        await world.when(UpgradeExecution(execution_id, 2))


async def test_a_run_that_was_not_begun_yet_may_be_moved_anywhere() -> None:
    world = World()
    execution_id = await a_run(world, OLD)
    await revised(world, execution_id, a_chain(an_llm("other")))
    await world.given(UpgradeExecution(execution_id, 2))
    assert (await worked(world, execution_id, done)).status == "COMPLETED"
