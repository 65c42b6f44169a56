"""An attempt goes on as if it had been awaited all the while, and is cut off in time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from domain.attempts import Attempt, Failure
from domain.identifiers import TenantId
from domain.node_types import UNBILLED
from sagas.attempts import perform
from sagas.effects import AttemptFailed, ChildWanted, Effects, Outcome, Run
from tests.commands.fakes import FakeIds, World
from tests.sagas.steps import HeldModels, ToldHttp, effects_of
from tests.simulation.loop import in_virtual_time

TIMEOUT_S = 60.0
DONE = Outcome("done", UNBILLED)
Work = Callable[[], Coroutine[Any, Any, Outcome]]


async def performed(work: Work) -> Outcome | ChildWanted | Failure:
    async def runner(_attempt: Attempt, _run: Run, _on: Effects) -> Outcome:
        return await work()

    ids, world = FakeIds(), World()
    run = Run(TenantId(ids.new()), ids.new())
    attempt = Attempt("it", "http", 1, {}, TIMEOUT_S, "key")
    return await perform(
        attempt, run, effects_of(world, HeldModels(), ToldHttp()), {"http": runner}
    )


@in_virtual_time
async def test_it_gets_what_it_waits_for_as_often_as_it_waits() -> None:
    async def work() -> Outcome:
        loop = asyncio.get_running_loop()
        texts: list[str] = []
        for text in ("a", "b", "c"):
            told: asyncio.Future[str] = loop.create_future()
            loop.call_later(TIMEOUT_S / 4, told.set_result, text)
            texts.append(await told)
        return Outcome("".join(texts), UNBILLED)

    assert await performed(work) == Outcome("abc", UNBILLED)


@in_virtual_time
async def test_what_fails_under_it_reaches_it_where_it_waits() -> None:
    async def work() -> Outcome:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        told.get_loop().call_soon(told.set_exception, ValueError("it broke"))
        try:
            await told
        except ValueError as error:
            raise AttemptFailed("broken", str(error), is_retryable=False) from error
        return DONE

    ended = await performed(work)
    assert isinstance(ended, Failure)
    assert (ended.code, ended.message) == ("broken", "it broke")


@pytest.mark.parametrize("waits", [1, 2])
def test_it_is_cut_off_when_its_time_is_over(waits: int) -> None:
    ends: list[str] = []

    async def work() -> Outcome:
        for _ in range(waits - 1):
            await asyncio.sleep(TIMEOUT_S / 2)
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cleaned up")
        return DONE

    @in_virtual_time
    async def cut_off() -> None:
        began_s = asyncio.get_running_loop().time()
        ended = await performed(work)
        assert isinstance(ended, Failure)
        assert (ended.code, ended.is_retryable, ended.usage) == ("timeout", True, UNBILLED)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(TIMEOUT_S)

    cut_off()
    assert ends == ["cleaned up"]


@in_virtual_time
async def test_its_own_shorter_time_is_its_own_affair() -> None:
    async def work() -> Outcome:
        try:
            async with asyncio.timeout(TIMEOUT_S / 2):
                await asyncio.Event().wait()
        except TimeoutError:
            await asyncio.sleep(TIMEOUT_S / 4)
        return DONE

    assert await performed(work) == DONE


@in_virtual_time
async def test_its_own_longer_time_does_not_hide_that_it_is_over() -> None:
    async def work() -> Outcome:
        async with asyncio.timeout(TIMEOUT_S * 2):
            await asyncio.Event().wait()
        return DONE

    ended = await performed(work)
    assert isinstance(ended, Failure)
    assert ended.code == "timeout"


@in_virtual_time
async def test_who_cancels_it_cuts_it_off_where_it_waits() -> None:
    ends: list[str] = []

    async def work() -> Outcome:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # What has to be put in order is still waited for.
            ends.append("in order")
            raise
        return DONE

    task = asyncio.create_task(performed(work))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ["in order"]
    assert task.cancelled()
