"""The execution saga: it drives what it owns, and lets go of what somebody else drives."""

import asyncio
import gc
import sys
import weakref
from typing import Any
from uuid import UUID

from commands.executions import CancelExecution
from commands.http_port import HttpResponse
from commands.ports import PositionToken
from commands.price_books import PublishPrices
from domain.errors import Unavailable
from domain.executions import Execution
from domain.identifiers import JsonObject
from domain.payloads import INLINE_BYTES_MAX
from infra.metrics import Metrics
from tests.commands.fakes import FakeEventStore, World
from tests.domain.given import a_graph, a_node
from tests.sagas.steps import Worker, an_execution, one_call, read, text_of, topics_of, until


async def test_an_execution_is_driven_from_its_created_event_to_its_end() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    worker.models.answer(0, "because")
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    execution = await read(world, execution_id)
    assert (execution.status, text_of(execution)) == ("COMPLETED", "because")
    assert await worker.saga.open_executions.ready(range(64), after=None, limit=9) == []


async def test_work_that_is_found_on_assignment_is_taken_up_oldest_first() -> None:
    world = World()
    worker = Worker(world, drives_max=1)
    found = [await an_execution(world, one_call()) for _ in range(4)]
    await worker.own_everything()
    for place in range(4):
        await until(lambda: len(worker.models.calls) > place, "the next is taken up")  # noqa: B023 # awaited here
        worker.models.answer(place, "because")
    await until(lambda: worker.saga.driven_count() == 0, "the last drive ends")
    begun = [e for e in world.store.events if e.topic == "execution.node_started"]
    assert [one.originator_id for one in begun] == found


async def test_a_run_that_has_ended_is_in_memory_no_longer_without_the_collector() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    ended: list[weakref.ref[Execution]] = []
    worker.saga.parts.on_ended = lambda execution: ended.append(weakref.ref(execution))
    gc.disable()
    try:
        await an_execution(world, one_call())
        await worker.deliver()
        await until(lambda: worker.models.calls, "the model is called")
        worker.models.answer(0, "because")
        await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
        await until(lambda: ended[0]() is None, "nothing refers to the run")
    finally:
        gc.enable()


async def test_the_intent_is_stored_before_the_effect_and_the_outcome_with_what_follows() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call())
    appends = world.store.appends_count
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    assert topics_of(world, execution_id)[-1] == "execution.node_started"
    worker.models.answer(0, "because")
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    assert world.store.appends_count - appends == 2


async def test_what_led_to_a_repeatable_effect_is_stored_with_it_and_each_outcome_by_itself() -> (
    None
):
    world = World()
    worker = Worker(world)
    worker.http.answers.append(HttpResponse(200, {}, b"{}", "https://example.com"))
    await worker.own_everything()
    nodes = [a_node("http", name, method="GET", url="https://example.com") for name in ("a", "b")]
    graph = a_graph(nodes, ["start -> a", "a -> b", "b -> end"])
    execution_id = await an_execution(world, graph)
    appends = world.store.appends_count
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    assert (await read(world, execution_id)).status == "COMPLETED"
    assert len(worker.http.requests) == 2
    # Python 3.11 begins a task a moment later: then what led to `a` has an append of its own.
    assert world.store.appends_count - appends == (2 if sys.version_info >= (3, 12) else 3)


async def test_on_assignment_every_open_execution_is_found_and_resumed() -> None:
    world = World()
    ids = [await an_execution(world, one_call()) for _ in range(3)]
    worker = Worker(world)
    await worker.own_everything()
    await until(lambda: len(worker.models.calls) == 3, "all three go on")
    for place in range(3):
        worker.models.answer(place, "ok")
    await until(lambda: worker.saga.driven_count() == 0, "all three end")
    assert [(await read(world, i)).status for i in ids] == ["COMPLETED"] * 3


async def test_an_attempt_whose_owner_vanished_is_an_unknown_outcome_and_tried_again() -> None:
    world = World()
    execution_id = await an_execution(world, one_call(retry={"max_attempts": 3}))
    first = Worker(world, "first")
    await first.own_everything()
    await until(lambda: first.models.calls, "the first attempt")
    await first.stop()

    second = Worker(world, "second")
    await second.own_everything()
    await until(lambda: second.models.calls, "the second attempt")
    assert second.models.calls[0][0].attempt == 2
    # The same key, so that a provider that honours it does not do the work twice.
    assert second.models.calls[0][0].idempotency_key == first.models.calls[0][0].idempotency_key
    second.models.answer(0, "ok")
    await until(lambda: second.saga.driven_count() == 0, "the end")
    assert (await read(world, execution_id)).status == "COMPLETED"


async def test_a_zombie_finds_that_another_worker_drives_the_run_and_lets_go() -> None:
    world = World()
    execution_id = await an_execution(world, one_call(retry={"max_attempts": 3}))
    zombie = Worker(world, "zombie")
    await zombie.own_everything()
    await until(lambda: zombie.models.calls, "the zombie's attempt")
    owner = Worker(world, "owner")
    await owner.own_everything()
    await until(lambda: owner.models.calls, "the owner's attempt")
    zombie.models.answer(0, "too late")
    await until(lambda: zombie.saga.driven_count() == 0, "the zombie lets go")
    assert (await read(world, execution_id)).status == "RUNNING"
    owner.models.answer(0, "in time")
    await until(lambda: owner.saga.driven_count() == 0, "the end")
    execution = await read(world, execution_id)
    assert (execution.status, text_of(execution)) == ("COMPLETED", "in time")


async def test_what_a_worker_has_in_hand_is_told_at_each_scrape() -> None:
    world = World()
    worker = Worker(world, attempts_max=1, drives_max=2)
    metrics = Metrics()
    metrics.worker_began(worker.saga.counts)
    gauges = ("attempts_in_flight", "claims_waiting", "executions_driven", "starts_waiting")

    def told() -> list[float | None]:
        return [metrics.registry.get_sample_value(f"agentledger_{name}") for name in gauges]

    await worker.own_everything()
    for _ in range(3):
        await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: told()[1] == 1, "the second run waits for a slot")
    assert told() == [1, 1, 2, 1]
    await worker.stop()
    assert told() == [0, 0, 0, 0]


async def test_cancelling_stops_the_effect_and_ends_the_drive() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    await world.given(CancelExecution(execution_id=execution_id))
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    assert worker.models.calls[0][1].cancelled()
    assert (await read(world, execution_id)).status == "CANCELLED"


async def test_an_outcome_after_a_cancellation_says_what_it_cost_and_changes_nothing() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    await world.given(CancelExecution(execution_id=execution_id))
    worker.models.answer(0, "late")
    await until(lambda: worker.saga.driven_count() == 0, "the drive ends")
    topics = ["execution.usage_unresolved", "execution.cancelled", "execution.usage_resolved"]
    assert topics_of(world, execution_id)[-3:] == topics
    assert (await read(world, execution_id)).status == "CANCELLED"


async def test_a_retry_waits_for_its_time() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    retry = {"max_attempts": 2, "initial_backoff_s": 0.05}
    execution_id = await an_execution(world, one_call(retry=retry))
    await worker.deliver()
    await until(lambda: worker.models.calls, "the first attempt")
    worker.models.fail(0, retryable=True)
    await until(lambda: "execution.node_failed" in topics_of(world, execution_id), "the failure")
    assert len(worker.models.calls) == 1
    world.clock.pass_time(seconds=1)
    await until(lambda: len(worker.models.calls) == 2, "the second attempt")
    worker.models.answer(1, "ok")
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert (await read(world, execution_id)).status == "COMPLETED"


async def test_a_failure_that_is_not_retryable_ends_the_run_with_its_reason() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call(retry={"max_attempts": 3}))
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    worker.models.fail(0, retryable=False)
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert (await read(world, execution_id)).status == "FAILED"
    state = world.store.states[-1]
    assert (state["path"], state["attempt"], state["code"]) == ("draft", 1, "rate_limited")


async def test_a_timeout_is_a_failure_of_its_attempt() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    execution_id = await an_execution(world, one_call(timeout_s=0.05))
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert (await read(world, execution_id)).status == "FAILED"
    failed = next(state for state in world.store.states if "retry_at" in state)
    assert (failed["code"], failed["cost_usd_pico"]) == ("timeout", None)


async def test_created_seen_twice_drives_once() -> None:
    world = World()
    worker = Worker(world)
    execution_id = await an_execution(world, one_call())
    await worker.own_everything()
    await worker.deliver()
    await until(lambda: worker.models.calls, "the model is called")
    assert worker.saga.driven_count() == 1
    worker.models.answer(0, "ok")
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert topics_of(world, execution_id).count("execution.node_started") == 1


async def test_a_partition_given_up_is_not_driven_any_more() -> None:
    world = World()
    worker = Worker(world)
    await worker.own_everything()
    await worker.stop()
    await an_execution(world, one_call())
    await worker.deliver()
    await asyncio.sleep(0)
    assert worker.saga.driven_count() == 0


class ShakyStore(FakeEventStore):
    """Loses the acknowledgement of every append to a run, whether it stored the events or not."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes = iter((True, False, True, False))

    async def append(self, *args: Any, **kwargs: Any) -> PositionToken | None:
        envelope = args[1]
        if not envelope.actor.startswith("worker:"):
            return await super().append(*args, **kwargs)
        is_stored = next(self.outcomes, None)
        if is_stored is None:
            return await super().append(*args, **kwargs)
        if is_stored:
            await super().append(*args, **kwargs)
        raise Unavailable


async def test_a_store_that_does_not_answer_costs_attempts_but_not_the_run() -> None:
    world = World(ShakyStore())
    worker = Worker(world)
    await worker.own_everything()
    execution_id: UUID = await an_execution(world, one_call(retry={"max_attempts": 9}))
    await worker.deliver()
    answered = 0

    def answer_all() -> bool:
        nonlocal answered
        while answered < len(worker.models.calls):
            if not worker.models.calls[answered][1].done():
                worker.models.answer(answered, "ok")
            answered += 1
        return worker.saga.driven_count() == 0

    await until(answer_all, "the end")
    assert (await read(world, execution_id)).status == "COMPLETED"


async def test_a_large_outcome_fails_its_node_while_the_quota_of_the_tenant_is_used_up() -> None:
    world = World()
    world.store.is_full = True
    worker = Worker(world)
    await worker.own_everything()
    ids = [await an_execution(world, one_call()) for _ in range(2)]
    await worker.deliver()
    await until(lambda: len(worker.models.calls) == 2, "the models are called")
    worker.models.answer(0, "x" * INLINE_BYTES_MAX)
    worker.models.answer(1, "small")
    await until(lambda: worker.saga.driven_count() == 0, "the drives end")
    runs = [await read(world, execution_id) for execution_id in ids]
    assert sorted(run.status for run in runs) == ["COMPLETED", "FAILED"]
    (failed,) = [run.error for run in runs if run.error]
    assert failed["code"] == "blob_quota"


async def test_where_time_is_sold_the_end_of_a_run_is_stored_with_what_it_took() -> None:
    world = World()
    prices: JsonObject = {"*": {"run_seconds": {"kind": "unit", "usd_pico": 5, "per": 1}}}
    await world.when(PublishPrices(None, prices), caller=world.operator)
    worker = Worker(world)
    await worker.own_everything()
    ended = await an_execution(world, one_call())
    stopped = await an_execution(world, one_call())
    await worker.deliver()
    await until(lambda: len(worker.models.calls) == 2, "the model is called")
    worker.models.answer(0, "done")
    await world.given(CancelExecution(execution_id=stopped))
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the drives end")
    assert topics_of(world, ended)[-2:] == ["execution.completed", "execution.run_metered"]
    assert topics_of(world, stopped)[-2:] == ["execution.cancelled", "execution.run_metered"]
