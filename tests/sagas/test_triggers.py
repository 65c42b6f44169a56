"""Triggers fire when it is time, once each, whoever looks; and what is refused is told."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.admission_port import EngineBehind
from commands.workflows import DeleteWorkflow
from domain.errors import Unavailable
from domain.quotas import ExecutionQuotaReached
from domain.trigger_fires import WAIT_S, wait_s
from sagas.triggers import TriggerSaga
from tests.commands.fakes import NOON, World
from tests.commands.steps import done, worked
from tests.commands.trigger_steps import a_trigger, loaded_trigger
from tests.sagas.fake_due_triggers import FakeDueTriggers


class Workers:
    """Two workers that share what is due."""

    def __init__(self) -> None:
        self.world = World()
        self.due = FakeDueTriggers(self.world)
        self.first, self.second = self._worker(), self._worker()

    def _worker(self) -> TriggerSaga:
        return TriggerSaga(self.due, self.world.dispatcher, self.world.clock, poll_s=1)

    def told(self, topic: str) -> list[Any]:
        store = self.world.store
        pairs = zip(store.topics, store.states, strict=True)
        return [state for name, state in pairs if name == topic]

    @property
    def runs(self) -> list[Any]:
        return self.told("execution.created")


async def test_nothing_is_done_until_it_is_time() -> None:
    workers = Workers()
    await a_trigger(workers.world)
    assert not await workers.first.work_once()
    workers.world.clock.pass_time(hours=1)
    assert await workers.first.work_once()
    assert not await workers.first.work_once()
    assert len(workers.runs) == 1


async def test_two_workers_that_look_at_once_begin_one_run() -> None:
    """As when a lease has run out while its holder was still at work."""
    workers = Workers()
    await a_trigger(workers.world)
    workers.world.clock.pass_time(hours=1)
    (due,) = await workers.due.claim(1, now=workers.world.clock.now(), limit=9)
    await asyncio.gather(workers.first._look_at(due), workers.second._look_at(due))
    assert len(workers.runs) == 1
    assert len(workers.told("trigger.fired")) == 1


async def test_a_fire_has_the_same_command_id_whoever_tries_it() -> None:
    ids = set()
    for _ in range(2):
        workers = Workers()
        await a_trigger(workers.world)
        workers.world.clock.pass_time(hours=1)
        await workers.first.work_once()
        ids.add(workers.world.store.envelopes[-1].command_id)
    assert len(ids) == 1


async def test_room_that_comes_back_is_waited_for() -> None:
    workers = Workers()
    await a_trigger(workers.world)
    workers.world.clock.pass_time(hours=1)
    workers.world.admission.refusal = EngineBehind(retry_after_s=10)
    await workers.first.work_once()
    assert not await workers.first.work_once()
    workers.world.admission.refusal = None
    workers.world.clock.pass_time(seconds=10)
    await workers.first.work_once()
    assert [run["input"]["scheduled_at"] for run in workers.runs] == [
        (NOON + timedelta(hours=1)).isoformat()
    ]


async def test_a_fire_that_waited_for_room_in_vain_is_missed_and_says_why() -> None:
    workers = Workers()
    await a_trigger(workers.world, policy={"catch_up_window_s": 60})
    workers.world.clock.pass_time(hours=1)
    workers.world.admission.refusal = EngineBehind(retry_after_s=10)
    for _ in range(9):
        await workers.first.work_once()
        workers.world.clock.pass_time(seconds=10)
    workers.world.admission.refusal = None
    await workers.first.work_once()
    (missed,) = workers.told("trigger.missed")
    assert (missed["reason"], workers.runs) == ("engine_behind", [])


async def test_what_a_months_quota_refuses_is_missed_at_once_and_the_next_one_is_tried() -> None:
    workers = Workers()
    trigger_id = await a_trigger(workers.world)
    workers.world.clock.pass_time(hours=1)
    workers.world.admission.refusal = ExecutionQuotaReached(retry_after_s=1e6)
    await workers.first.work_once()
    workers.world.admission.refusal = None
    (missed,) = workers.told("trigger.missed")
    assert missed["reason"] == "execution_quota"
    assert not (await loaded_trigger(workers.world, trigger_id)).is_paused
    workers.world.clock.pass_time(hours=1)
    await workers.first.work_once()
    assert len(workers.runs) == 1


async def test_what_will_never_succeed_pauses_the_trigger() -> None:
    workers = Workers()
    trigger_id = await a_trigger(workers.world)
    workflow_id = (await loaded_trigger(workers.world, trigger_id)).workflow_id
    await workers.world.given(DeleteWorkflow(workflow_id))
    workers.world.clock.pass_time(hours=1)
    await workers.first.work_once()
    (paused,) = workers.told("trigger.paused")
    assert paused["reason"] == "not_found"
    assert len(workers.told("trigger.missed")) == 1
    workers.world.clock.pass_time(hours=9)
    assert not await workers.first.work_once()


async def test_one_that_waits_for_a_run_to_end_is_looked_at_now_and_then() -> None:
    workers = Workers()
    await a_trigger(workers.world, policy={"overlap": "buffer_one"})
    for _ in range(2):
        workers.world.clock.pass_time(hours=1)
        await workers.first.work_once()
    appends = workers.world.store.appends_count
    workers.world.clock.pass_time(seconds=WAIT_S)
    await workers.first.work_once()
    assert not await workers.first.work_once()
    assert workers.world.store.appends_count == appends
    run = UUID(str(workers.told("trigger.fired")[0]["execution_id"]))
    await worked(workers.world, run, done)
    workers.world.clock.pass_time(seconds=WAIT_S)
    await workers.first.work_once()
    assert [fire["kind"] for fire in workers.told("trigger.fired")] == ["schedule", "buffered"]


@pytest.mark.parametrize(("waited_s", "next_s"), [(0, 5), (100, 10), (86_400, 60)])
def test_what_has_waited_long_is_looked_at_less_often(waited_s: int, next_s: int) -> None:
    assert wait_s(timedelta(seconds=waited_s)) == next_s


async def test_a_database_that_is_away_stops_it_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = Workers()
    await a_trigger(workers.world)
    workers.world.clock.pass_time(hours=1)

    async def away(*_args: object, **_kwargs: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(workers.world.store, "append", away)
        with pytest.raises(Unavailable):
            await workers.first.work_once()
    await workers.second.work_once()
    assert len(workers.runs) == 1
