"""Workers that vanish, stand still or hear nothing of their effects, and what is done then."""

import asyncio

import pytest

from domain.attempts import Attempt
from domain.execution_commands import signal
from domain.identifiers import Json, TenantId
from domain.node_types import UNBILLED
from sagas.attempts import perform
from sagas.effects import Effects, Outcome, Run
from tests.commands.fakes import FakeIds, World
from tests.domain.facts import USAGE
from tests.domain.given import a_graph, a_loop, an_llm
from tests.sagas.steps import (
    PARTITIONS,
    ToldHttp,
    Worker,
    an_execution,
    effects_of,
    one_call,
    read,
    text_of,
    topics_of,
    until,
)
from tests.sagas.test_sleeping_runs import a_worker, somebody
from tests.simulation.loop import in_virtual_time

HEARTBEAT_S = 30.0


@pytest.mark.parametrize(
    ("policy", "status", "calls"),
    [("retry", "RUNNING", 1), ("ask", "NEEDS_ATTENTION", 0), ("fail", "FAILED", 0)],
)
async def test_a_crash_between_intent_and_outcome_is_answered_as_the_node_says(
    policy: Json, status: str, calls: int
) -> None:
    world = World()
    execution_id = await an_execution(world, one_call(on_unknown=policy))
    first = await a_worker(world, "first")
    await until(lambda: first.models.calls, "the attempt is under way")
    await first.stop()
    second = await a_worker(world, "second")
    settled = {"retry": "execution.node_started", "ask": "execution.attention_needed"}
    last = settled.get(str(policy), "execution.failed")
    await until(
        lambda: topics_of(world, execution_id)[-1] == last and len(second.models.calls) == calls,
        "the second worker decides",
    )
    assert (await read(world, execution_id)).status == status
    await second.stop()


async def test_a_worker_that_stops_in_order_lets_a_call_come_to_its_end_and_begins_no_other() -> (
    None
):
    world = World()
    definition = a_graph(
        [an_llm("draft"), an_llm("check")], ["start -> draft", "draft -> check", "check -> end"]
    )
    execution_id = await an_execution(world, definition)
    first = Worker(world, "first", handover_s=60)
    await first.own_everything()
    await until(lambda: first.models.calls, "the call is under way")
    stopping = asyncio.create_task(first.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    first.models.answer(0, "ok")
    await stopping
    assert topics_of(world, execution_id)[-1] == "execution.node_completed"
    second = await a_worker(world, "second")
    await until(lambda: second.models.calls, "the next call")
    assert len(first.models.calls) == 1
    assert second.models.calls[0][0].attempt == 1
    second.models.answer(0, "fine")
    await until(lambda: second.saga.driven_count() == 0, "the end")
    assert topics_of(world, execution_id)[-1] == "execution.completed"


async def test_a_call_that_takes_longer_than_a_handover_is_cut_off() -> None:
    world = World()
    execution_id = await an_execution(world, one_call())
    first = Worker(world, "first", handover_s=0.01)
    await first.own_everything()
    await until(lambda: first.models.calls, "the call is under way")
    await first.stop()
    second = await a_worker(world, "second")
    await until(lambda: second.models.calls, "the call again")
    assert (await read(world, execution_id)).status == "RUNNING"
    await second.stop()


async def test_who_has_lost_a_run_to_another_waits_for_nothing() -> None:
    world = World()
    await an_execution(world, one_call())
    first = Worker(world, "first", handover_s=60)
    await first.own_everything()
    await until(lambda: first.models.calls, "the call is under way")
    await first.saga.revoked(range(PARTITIONS), at_once=True)
    assert first.saga.driven_count() == 0


async def test_a_repeatable_attempt_that_was_lost_is_made_again_with_no_trace_of_the_first() -> (
    None
):
    world = World()
    execution_id = await an_execution(world, one_call(repeatable=True))
    first = await a_worker(world, "first")
    await until(lambda: first.models.calls, "the first attempt")
    await first.stop()
    second = await a_worker(world, "second")
    await until(lambda: second.models.calls, "the attempt again")
    assert second.models.calls[0][0].attempt == 1
    second.models.answer(0, "ok")
    await until(lambda: second.saga.driven_count() == 0, "the end")
    topics = topics_of(world, execution_id)
    assert "execution.node_started" not in topics
    assert topics[-1] == "execution.completed"


async def test_of_two_workers_with_a_repeatable_attempt_one_outcome_is_stored() -> None:
    """The one that stood still is fenced by the version of its append."""
    world = World()
    execution_id = await an_execution(world, one_call(repeatable=True))
    stopped = await a_worker(world, "stopped")
    await until(lambda: stopped.models.calls, "its attempt")
    owner = await a_worker(world, "owner")
    await until(lambda: owner.models.calls, "the owner's attempt")
    owner.models.answer(0, "in time")
    await until(lambda: owner.saga.driven_count() == 0, "the end")
    stopped.models.answer(0, "too late")
    await until(lambda: stopped.saga.driven_count() == 0, "it lets go")
    execution = await read(world, execution_id)
    assert (execution.status, text_of(execution)) == ("COMPLETED", "in time")
    assert topics_of(world, execution_id).count("execution.node_completed") == 3


async def test_a_reload_keeps_the_repeatable_attempts_in_hand() -> None:
    world = World()
    worker = await a_worker(world)
    execution_id = await an_execution(world, one_call(repeatable=True))
    await worker.deliver()
    await until(lambda: worker.models.calls, "the attempt")
    await somebody(world, execution_id, lambda run: signal(run, "news", 1))
    await worker.deliver()
    worker.models.answer(0, "once")
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert len(worker.models.calls) == 1
    assert text_of(await read(world, execution_id)) == "once"


async def test_the_outcome_of_an_attempt_whose_iteration_is_over_is_dropped() -> None:
    """The first of two models ends the iteration; the other one answers after a reload."""
    world = World()
    worker = await a_worker(world)
    body = [an_llm("a", repeatable=True), an_llm("b", repeatable=True), an_llm("next")]
    edges = ["start -> a", "start -> b", "a -> next", "b -> next", "next -> end"]
    body[2] = {**body[2], "join": "any"}
    loop = a_loop("once", body, edges, while_="loop.index < 1")
    hold = an_llm("hold")
    graph = a_graph([loop, hold], ["start -> once", "once -> hold", "hold -> end"])
    execution_id = await an_execution(world, graph)
    await worker.deliver()
    await until(lambda: len(worker.models.calls) == 2, "both are asked")
    worker.models.answer(0, "first")
    await until(lambda: len(worker.models.calls) == 3, "the join runs")
    worker.models.answer(2, "next")
    await until(lambda: len(worker.models.calls) == 4, "the loop is over")
    await somebody(world, execution_id, lambda run: signal(run, "news", 1))
    await worker.deliver()
    worker.models.answer(1, "late")
    worker.models.answer(3, "held")
    await until(lambda: worker.saga.driven_count() == 0, "the end")
    assert (await read(world, execution_id)).status == "COMPLETED"
    states = [state for state in world.store.states if state.get("path") == "once[0]/b"]
    assert states == []


def an_attempt() -> Attempt:
    return Attempt("draft", "llm", 1, {}, 60.0, "key", heartbeat_s=HEARTBEAT_S)


def a_run() -> Run:
    ids = FakeIds()
    return Run(TenantId(ids.new()), ids.new())


@in_virtual_time
async def test_an_attempt_without_a_sign_of_life_is_given_up() -> None:
    async def hangs(attempt: Attempt, run: Run, on: Effects) -> Outcome:
        await asyncio.Event().wait()
        return Outcome(None, USAGE)

    world = World()
    effects = effects_of(world, Worker(world).models, ToldHttp())
    ended = await perform(an_attempt(), a_run(), effects, {"llm": hangs})
    assert getattr(ended, "code", None) == "no_heartbeat"
    assert getattr(ended, "is_retryable", None) is True
    assert getattr(ended, "usage", None) == UNBILLED


@in_virtual_time
async def test_each_sign_of_life_gives_it_as_long_again() -> None:
    async def beats(attempt: Attempt, run: Run, on: Effects) -> Outcome:
        for _ in range(5):
            await asyncio.sleep(HEARTBEAT_S / 3)
            run.beat()
        return Outcome("alive", USAGE)

    world = World()
    effects = effects_of(world, Worker(world).models, ToldHttp())
    ended = await perform(an_attempt(), a_run(), effects, {"llm": beats})
    assert ended == Outcome("alive", USAGE)
