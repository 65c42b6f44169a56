"""Runs that wait: they leave memory, wake in time, and parents and children hear of each other."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.executions import CancelExecution
from commands.open_executions_port import OpenExecution
from commands.ports import OpenedExecution
from commands.workflows import CreateWorkflow
from domain import execution_commands
from domain.envelope import Envelope
from domain.executions import Execution
from domain.identifiers import JsonObject
from domain.signals import webhook_signal
from sagas.drive import Drive
from sagas.timers import HELD_MAX, Timers
from tests.commands.fakes import NOON, FakeClock, World
from tests.domain.given import a_graph, a_node, an_effect, an_llm
from tests.sagas.steps import WEBHOOK_KEYS, Worker, an_execution, one_call, read, topics_of, until

POLL_S = 0.01


async def a_worker(world: World, name: str = "one") -> Worker:
    worker = Worker(world, name)
    await worker.own_everything()
    return worker


def a_nap(seconds: float = 3600) -> JsonObject:
    nodes = [a_node("delay", "nap", duration_s=seconds)]
    return a_graph(nodes, ["start -> nap", "nap -> end"])


async def somebody(world: World, execution_id: UUID, act: Callable[[Execution], None]) -> None:
    """As a command would: load, decide, append with the row that wakes the run."""
    execution = await read(world, execution_id)
    act(execution)
    envelope = Envelope(tenant_id=world.tenant_id, actor="user:ada", correlation_id=execution_id)
    await world.store.append([execution], envelope, side_rows=[OpenedExecution(execution_id)])


async def asleep(world: World, worker: Worker, definition: JsonObject) -> UUID:
    execution_id = await an_execution(world, definition)
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the run is let go")
    assert (await read(world, execution_id)).status == "WAITING"
    return execution_id


async def with_timers(worker: Worker, condition: Callable[[], object], what: str) -> None:
    worker.saga._timers.poll_s = POLL_S
    timers = asyncio.create_task(worker.saga.wake_due())
    try:
        await until(condition, what)
    finally:
        timers.cancel()


async def test_a_sleeping_run_leaves_memory_and_is_woken_when_it_is_due() -> None:
    world = World()
    worker = await a_worker(world)
    execution_id = await asleep(world, worker, a_nap())
    world.clock.pass_time(seconds=3601)
    await with_timers(
        worker, lambda: topics_of(world, execution_id)[-1] == "execution.completed", "the end"
    )
    assert topics_of(world, execution_id).count("execution.node_completed") == 3


async def test_a_run_that_is_not_due_is_left_alone() -> None:
    world = World()
    worker = await a_worker(world)
    execution_id = await asleep(world, worker, a_nap())
    before = topics_of(world, execution_id)
    world.clock.pass_time(seconds=10)
    assert await worker.saga.open_executions.ready(range(64), after=None, limit=9) == []
    due = await worker.saga.open_executions.due(range(64), until=world.clock.now(), limit=9)
    assert due == []
    assert topics_of(world, execution_id) == before


async def test_a_signal_wakes_a_sleeping_run() -> None:
    world = World()
    worker = await a_worker(world)
    hear = a_node("signal", "hear", name="news")
    definition = a_graph([hear], ["start -> hear", "hear -> end"])
    execution_id = await asleep(world, worker, definition)
    await somebody(world, execution_id, lambda run: execution_commands.signal(run, "news", "hi"))
    await worker.deliver()
    await until(lambda: topics_of(world, execution_id)[-1] == "execution.completed", "the end")
    assert (await read(world, execution_id)).output == "hi"


async def test_a_signal_that_comes_when_a_drive_has_just_looked_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    worker = await a_worker(world)
    hear = a_node("signal", "hear", name="news")
    execution_id = await an_execution(world, a_graph([hear], ["start -> hear", "hear -> end"]))
    to_its_end = Drive.run

    def say_hi(run: Execution) -> None:
        execution_commands.signal(run, "news", "hi")

    signals = iter([say_hi])

    async def run_and_be_told(drive: Drive) -> None:
        await to_its_end(drive)
        for signal in signals:
            await somebody(world, execution_id, signal)
            await worker.deliver()

    monkeypatch.setattr(Drive, "run", run_and_be_told)
    await worker.deliver()
    await until(lambda: topics_of(world, execution_id)[-1] == "execution.completed", "the end")


async def test_whoever_drives_a_run_tells_it_the_same_path_for_requests() -> None:
    world = World()
    first, second = await a_worker(world), await a_worker(world)
    path: JsonObject = {"path": "{{ execution.webhook_path }}"}
    nodes = [
        a_node("set", "before", values=path),
        a_node("webhook", "paid"),
        a_node("set", "after", values=path),
    ]
    edges = ["start -> before", "before -> paid", "paid -> after", "after -> end"]
    execution_id = await asleep(world, first, a_graph(nodes, edges))
    name = webhook_signal("paid")
    await somebody(world, execution_id, lambda run: execution_commands.signal(run, name, None))
    await second.deliver()
    await until(lambda: topics_of(world, execution_id)[-1] == "execution.completed", "the end")
    run = await read(world, execution_id)
    told = {"path": WEBHOOK_KEYS.path(world.tenant_id, execution_id)}
    assert run.nodes["before"].output == run.output == told


async def test_a_run_that_is_paused_while_an_attempt_is_under_way_ends_it_and_sleeps() -> None:
    """A paused run once kept its worker spinning."""
    world = World()
    worker = await a_worker(world)
    execution_id = await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    await somebody(world, execution_id, execution_commands.pause)
    await worker.deliver()
    worker.models.answer(0, "late")
    await until(lambda: worker.saga.driven_count() == 0, "the run is let go")
    assert (await read(world, execution_id)).status == "PAUSED"
    assert topics_of(world, execution_id)[-1] == "execution.node_completed"
    await somebody(world, execution_id, execution_commands.resume)
    await worker.deliver()
    await until(lambda: topics_of(world, execution_id)[-1] == "execution.completed", "the end")


async def a_parent(world: World, child: JsonObject, **config: Any) -> UUID:
    made = CreateWorkflow(name="child", description=None, is_public=False, definition=child)
    (workflow,) = await world.given(made)
    sub = a_node("sub_workflow", "sub", workflow_id=str(workflow["workflow_id"]), **config)
    return await an_execution(world, a_graph([sub], ["start -> sub", "sub -> end"]))


def child_of(world: World, parent_id: UUID) -> UUID:
    """The run that was begun last and is not the parent."""
    created = [e.originator_id for e in world.store.events if e.topic == "execution.created"]
    (child_id,) = [one for one in created if one != parent_id]
    assert isinstance(child_id, UUID)
    return child_id


async def a_family(
    child: JsonObject | None = None, **config: Any
) -> tuple[World, Worker, UUID, UUID]:
    """A parent whose child waits for a model."""
    world = World()
    worker = await a_worker(world)
    parent_id = await a_parent(world, child or one_call(), input={"q": "why?"}, **config)
    await worker.deliver()
    await until(lambda: "execution.child_started" in topics_of(world, parent_id), "the child")
    await worker.deliver()
    await until(lambda: worker.models.calls, "the child's model is called")
    return world, worker, parent_id, child_of(world, parent_id)


async def test_a_parent_sleeps_while_its_child_runs_and_hears_of_its_end_in_one_append() -> None:
    world, worker, parent_id, child_id = await a_family()
    await until(lambda: worker.saga.driven_count() == 1, "only the child is in hand")
    assert (await read(world, parent_id)).status == "WAITING"
    appended: list[list[str]] = []
    append = world.store.append

    async def watched(aggregates: Any, *rest: Any, **more: Any) -> Any:
        appended.append([str(one.id) for one in aggregates])
        return await append(aggregates, *rest, **more)

    world.store.append = watched
    worker.models.answer(0, "because")
    await until(lambda: topics_of(world, child_id)[-1] == "execution.completed", "the child ends")
    assert appended[0] == [str(child_id), str(parent_id)]
    assert "execution.child_ended" in topics_of(world, parent_id)
    await until(lambda: topics_of(world, parent_id)[-1] == "execution.completed", "the parent ends")
    parent = await read(world, parent_id)
    assert parent.output == (await read(world, child_id)).output


@pytest.mark.parametrize(("policy", "status"), [("cancel", "CANCELLED"), ("abandon", "RUNNING")])
async def test_a_child_ends_with_its_parent_or_goes_on(policy: str, status: str) -> None:
    world, worker, parent_id, child_id = await a_family(on_parent_close=policy)
    await world.given(CancelExecution(execution_id=parent_id))
    assert (await read(world, child_id)).status == status
    await worker.deliver()
    if policy == "cancel":
        await until(lambda: worker.saga.driven_count() == 0, "both are let go")
        assert worker.models.calls[0][1].cancelled()
    else:
        worker.models.answer(0, "alone")
        await until(lambda: worker.saga.driven_count() == 0, "the child ends")
        assert (await read(world, child_id)).status == "COMPLETED"


async def test_a_child_that_is_being_undone_is_undone_to_the_end_whatever_its_parent_does() -> None:
    edges = ["start -> book", "book -> last", "last -> end"]
    world, worker, parent_id, child_id = await a_family(
        a_graph([an_effect("book"), an_llm("last")], edges), on_parent_close="cancel"
    )
    worker.models.answer(0, "booked")
    await until(lambda: len(worker.models.calls) == 2, "the second call")
    worker.models.fail(1, retryable=False)
    await until(lambda: len(worker.models.calls) == 3, "the undoing")
    await world.given(CancelExecution(execution_id=parent_id))
    await worker.deliver()
    assert (await read(world, child_id)).status == "COMPENSATING"
    worker.models.answer(2, "undone")
    await until(lambda: worker.saga.driven_count() == 0, "the child ends")
    assert (await read(world, child_id)).status == "COMPENSATED"


async def test_a_child_that_is_not_awaited_outlives_its_parent_only_when_it_may() -> None:
    world = World()
    worker = await a_worker(world)
    parent_id = await a_parent(world, one_call(), wait=False, on_parent_close="cancel")
    await worker.deliver()
    await until(lambda: topics_of(world, parent_id)[-1] == "execution.completed", "the parent ends")
    assert (await read(world, child_of(world, parent_id))).status == "CANCELLED"


class Sleepers:
    """Many runs that are due at once."""

    def __init__(self, count: int, due_at: Any) -> None:
        tenant_id = World().tenant_id
        rows = [OpenExecution(tenant_id, UUID(int=place), due_at) for place in range(count)]
        self.rows = {row.execution_id: row for row in rows}
        self.asked: list[int] = []

    async def ready(self, *_: Any, **__: Any) -> list[OpenExecution]:
        return []

    async def due(self, shards: Any, *, until: Any, limit: int) -> list[OpenExecution]:
        assert shards == [0]
        self.asked.append(limit)
        await asyncio.sleep(0)
        return [row for row in self.rows.values() if row.wake_at and row.wake_at <= until][:limit]


async def test_timers_hold_no_more_than_their_bound_and_wake_all_in_turn() -> None:
    sleepers = Sleepers(HELD_MAX + 5, NOON)
    woken: list[UUID] = []
    held: list[int] = []

    def wake(due: OpenExecution) -> None:
        held.append(len(timers._due))
        woken.append(due.execution_id)
        del sleepers.rows[due.execution_id]

    timers = Timers(sleepers, FakeClock(), wake, poll_s=POLL_S)
    task = asyncio.create_task(timers.run(lambda: [0]))
    await until(lambda: len(woken) == HELD_MAX + 5, "all are woken")
    task.cancel()
    assert max(held) < HELD_MAX
    assert set(sleepers.asked) == {HELD_MAX}


async def test_what_is_due_later_within_the_poll_is_woken_once_though_polled_twice() -> None:
    sleepers = Sleepers(1, NOON + timedelta(seconds=POLL_S))
    clock, woken = FakeClock(), []
    timers = Timers(sleepers, clock, woken.append, poll_s=POLL_S)
    task = asyncio.create_task(timers.run(lambda: [0]))
    await until(lambda: sleepers.asked, "the first poll")
    timers.hold(sleepers.rows[UUID(int=0)])
    assert (woken, len(timers._due)) == ([], 1)
    clock.pass_time(seconds=POLL_S)
    sleepers.rows.clear()
    await until(lambda: woken, "it is woken")
    task.cancel()
    assert len(woken) == 1
