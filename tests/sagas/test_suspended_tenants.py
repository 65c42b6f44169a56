"""Runs of a suspended tenant stand still where they are, and go on when it is resumed."""

from uuid import UUID

import pytest

from commands.executions import CancelExecution
from tests.commands.fakes import World
from tests.domain.given import a_graph, a_node
from tests.sagas.steps import Worker, an_execution, one_call, read, text_of, topics_of, until

TWO_CALLS = {
    "nodes": [
        {"id": "start", "type": "start"},
        *(
            {
                "id": name,
                "type": "llm",
                "config": {"model": "offline/echo", "prompt": "{{ input.q }}"},
            }
            for name in ("a", "b")
        ),
        {"id": "end", "type": "end"},
    ],
    "edges": [
        {"from": "start", "to": "a"},
        {"from": "a", "to": "b"},
        {"from": "b", "to": "end"},
    ],
}


class Held:
    """A world whose tenant is suspended or not, and its worker."""

    def __init__(self) -> None:
        self.world = World()
        self.is_suspended = False
        self.worker = self.a_worker("one")

    def a_worker(self, name: str) -> Worker:
        worker = Worker(self.world, name)
        worker.saga.parts.is_held = lambda _: self.is_suspended
        return worker

    async def let_go(self) -> None:
        await until(lambda: self.worker.saga.driven_count() == 0, "the run is let go")

    def resume(self, worker: Worker | None = None) -> None:
        self.is_suspended = False
        (worker or self.worker).saga.released()

    async def until_topic(self, execution_id: UUID, topic: str) -> None:
        await until(lambda: topic in topics_of(self.world, execution_id), topic)


@pytest.fixture
async def held() -> Held:
    made = Held()
    await made.worker.own_everything()
    return made


async def test_a_run_that_was_not_begun_does_not_begin(held: Held) -> None:
    held.is_suspended = True
    execution_id = await an_execution(held.world, one_call())
    await held.worker.deliver()
    await held.let_go()
    assert topics_of(held.world, execution_id) == ["execution.created"]
    held.resume()
    await until(lambda: held.worker.models.calls, "the call")
    held.worker.models.answer(0, "because")
    await held.until_topic(execution_id, "execution.completed")


async def test_a_step_that_is_under_way_is_recorded_and_no_other_begins(held: Held) -> None:
    execution_id = await an_execution(held.world, TWO_CALLS)
    await held.worker.deliver()
    await until(lambda: held.worker.models.calls, "the first call")
    held.is_suspended = True
    held.worker.models.answer(0, "first")
    await held.let_go()
    assert topics_of(held.world, execution_id)[-1] == "execution.node_completed"
    assert len(held.worker.models.calls) == 1
    held.resume()
    await until(lambda: len(held.worker.models.calls) == 2, "the second call")
    held.worker.models.answer(1, "second")
    await held.until_topic(execution_id, "execution.completed")
    assert text_of(await read(held.world, execution_id)) == "second"
    assert "execution.paused" not in topics_of(held.world, execution_id)


async def test_another_worker_that_starts_meanwhile_lets_it_stand_too(held: Held) -> None:
    execution_id = await an_execution(held.world, TWO_CALLS)
    await held.worker.deliver()
    await until(lambda: held.worker.models.calls, "the first call")
    held.is_suspended = True
    held.worker.models.answer(0, "first")
    await held.let_go()
    await held.worker.stop()
    before = topics_of(held.world, execution_id)
    second = held.a_worker("two")
    await second.own_everything()
    await until(lambda: not second.saga._searches, "the search")
    assert topics_of(held.world, execution_id) == before
    held.resume(second)
    await until(lambda: second.models.calls, "the second call")
    second.models.answer(0, "second")
    await held.until_topic(execution_id, "execution.completed")


async def test_a_timer_that_was_due_meanwhile_fires_afterwards(held: Held) -> None:
    nap = a_graph([a_node("delay", "nap", duration_s=60)], ["start -> nap", "nap -> end"])
    execution_id = await an_execution(held.world, nap)
    await held.worker.deliver()
    await held.let_go()
    held.is_suspended = True
    held.world.clock.pass_time(seconds=61)
    (due,) = await held.worker.saga.open_executions.due(
        range(64), until=held.world.clock.now(), limit=9
    )
    held.worker.saga._drive_due(due)
    await held.let_go()
    assert (await read(held.world, execution_id)).status == "WAITING"
    held.is_suspended = False
    held.worker.saga._drive_due(due)
    await held.until_topic(execution_id, "execution.completed")


async def test_a_run_with_a_step_under_way_when_its_tenant_goes_on_does_not_wait_for_it(
    held: Held,
) -> None:
    nodes = [a_node("delay", "nap", duration_s=60), *TWO_CALLS["nodes"][1:2]]
    edges = ["start -> nap", "start -> a", "nap -> end", "a -> end"]
    execution_id = await an_execution(held.world, a_graph(nodes, edges))
    await held.worker.deliver()
    await until(lambda: held.worker.models.calls, "the call")
    held.is_suspended = True
    driven = next(iter(held.worker.saga._driven.values())).drive
    driven.look_again()
    held.world.clock.pass_time(seconds=61)
    held.resume()
    await until(
        lambda: topics_of(held.world, execution_id).count("execution.node_completed") == 2,
        "the nap is over",
    )
    held.worker.models.answer(0, "late")
    await held.until_topic(execution_id, "execution.completed")


async def test_what_stands_still_can_be_cancelled_by_whoever_may(held: Held) -> None:
    held.is_suspended = True
    execution_id = await an_execution(held.world, one_call())
    await held.world.given(CancelExecution(execution_id))
    assert (await read(held.world, execution_id)).status == "CANCELLED"
