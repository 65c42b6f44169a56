"""Two workers that call models under one limit, counted in the database: never more at once."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from infra.call_limits import PostgresCallLimits
from sagas import limiting
from sagas.call_slots import CallSlots
from tests.commands.fakes import World
from tests.domain.given import a_graph, an_llm
from tests.infra.conftest import Parts
from tests.sagas.limited import Limits
from tests.sagas.steps import PARTITIONS, Worker, an_execution, until

MOST = 3
RUNS = 10
# Each run could make both of its calls at once.
TWO_CALLS = a_graph(
    [an_llm("a"), an_llm("b")], ["start -> a", "start -> b", "a -> end", "b -> end"]
)


class Fleet:
    """Workers that share the partitions of one world, and the database that counts."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers

    @property
    def under_way(self) -> list[tuple[Worker, int]]:
        """The calls that no test has answered yet."""
        return [
            (worker, place)
            for worker in self.workers
            for place, (_, answer) in enumerate(worker.models.calls)
            if not answer.done()
        ]

    @property
    def held(self) -> list[object]:
        return [one for worker in self.workers for one in worker.saga.parts.call_slots._under_way]

    async def begins(self, stack: AsyncExitStack, limits: PostgresCallLimits) -> None:
        for place, worker in enumerate(self.workers):
            parts = worker.saga.parts
            parts.plans, parts.call_slots = Limits(concurrent_calls=MOST), CallSlots(limits)
            stack.callback(asyncio.create_task(parts.call_slots.run()).cancel)
            stack.push_async_callback(worker.stop)
            owned = range(place, PARTITIONS, len(self.workers))
            worker.log.owned = set(owned)
            await worker.saga.assigned(owned)
            await worker.saga.started(owned)

    async def deliver(self) -> None:
        for worker in self.workers:
            await worker.deliver()


@pytest.mark.parametrize("workers_count", [1, PARTITIONS])
async def test_of_many_calls_never_more_are_under_way_than_may_be(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, workers_count: int
) -> None:
    # Of calls of another worker nobody hears: it is looked at once, for this clock stands still.
    monkeypatch.setattr(limiting, "LOOK_MAX_S", 0.0)
    world, most = World(), 0
    fleet = Fleet([Worker(world, str(place)) for place in range(workers_count)])
    async with AsyncExitStack() as stack:
        await fleet.begins(stack, PostgresCallLimits(await parts.database("worker")))
        for place in range(RUNS):
            if place % 2:
                world.ids.new()  # So that both partitions have some.
            await an_execution(world, TWO_CALLS)
        await fleet.deliver()
        for left in range(2 * RUNS, 0, -1):
            # As many as may be are made, not only never more.
            await until(lambda: len(fleet.under_way) >= min(MOST, left), f"{left} are left")  # noqa: B023 # awaited here
            most = max(most, len(fleet.under_way))
            worker, place = fleet.under_way[left % len(fleet.under_way)]
            worker.models.answer(place, "so")
        await until(lambda: world.store.topics.count("execution.completed") == RUNS, "not ended")
        await until(lambda: not fleet.held, "what ended is not given back")
    assert most == MOST
    asked = [len(worker.models.calls) for worker in fleet.workers]
    assert (sum(asked), min(asked) > 0) == (2 * RUNS, True)
