"""Bulk operations are worked off page by page, each execution once, whoever does it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.admission_port import TooManyOpenExecutions
from commands.bulk_operations import CancelBulkOperation, OperateInBulk
from commands.executions import CancelExecution
from domain.bulk_operations import BulkOperation
from domain.envelope import Envelope
from domain.errors import OverLimit, Unavailable
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from domain.quotas import ExecutionQuotaReached
from sagas import bulk_operations
from sagas.bulk_operations import ROOM_WAIT_S_MAX, BulkOperationSaga
from tests.commands.fakes import FakeOpenBulkOperations, World
from tests.commands.steps import (
    REFUSED,
    a_chain,
    a_run,
    an_llm,
    done,
    loaded,
    refused,
    revised,
    worked,
)

CHAIN = a_chain(an_llm("a"), an_llm("b"))


class Workers:
    """Two workers that share one list of open operations, each working pages of two."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulk_operations, "PAGE", 2)
        self.world = World()
        self.open = FakeOpenBulkOperations(self.world.store, self.world.tenant_id)
        self.first = self._worker("worker:1")
        self.second = self._worker("worker:2")

    def _worker(self, actor: str) -> BulkOperationSaga:
        world = self.world
        return BulkOperationSaga(
            self.open,
            world.search,
            world.store,
            world.dispatcher,
            world.clock,
            world.ids,
            actor,
            poll_s=1,
        )

    async def begun(self, action: str, parameters: JsonObject | None = None, **fields: int) -> UUID:
        command = OperateInBulk(action, {}, parameters or {}, is_dry_run=False, **fields)  # pyright: ignore[reportArgumentType] # an action
        (told,) = await self.world.given(command)
        return UUID(str(told["bulk_operation_id"]))

    async def operation(self, operation_id: UUID) -> BulkOperation:
        found = await self.world.store.load(BulkOperation, operation_id, self.world.tenant_id)
        assert found is not None
        return found


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    return Workers(monkeypatch)


async def statuses(world: World, made: list[UUID]) -> list[str]:
    return [(await loaded(world, execution_id)).status for execution_id in made]


async def test_every_execution_is_cancelled_and_the_operation_closed(workers: Workers) -> None:
    made = [await a_run(workers.world, CHAIN) for _ in range(5)]
    operation_id = await workers.begun("cancel", {"reason": "no"})
    pages = 0
    while await workers.first.work_once():
        pages += 1
    assert pages == 3
    assert await statuses(workers.world, made) == ["CANCELLED"] * 5
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.is_completed) == (5, True)
    assert workers.open.open_ids == []
    assert {one.actor for one in workers.world.store.envelopes[-3:]} >= {"worker:1"}


async def test_what_a_rule_refuses_is_told_and_the_rest_goes_on(workers: Workers) -> None:
    failed_id, running_id = [await a_run(workers.world, CHAIN) for _ in range(2)]
    await worked(workers.world, failed_id, refused("a"))
    operation = await workers.operation(await workers.begun("retry"))
    while await workers.first.work_once():
        pass
    operation = await workers.operation(operation.id)
    assert (operation.done_count, operation.refused_count) == (1, 1)
    (refusal,) = operation.refusals
    assert (refusal["execution_id"], refusal["code"]) == (str(running_id), "refused")
    assert (await loaded(workers.world, failed_id)).status == "RUNNING"


async def test_forks_are_not_forked_again(workers: Workers) -> None:
    for _ in range(3):
        await worked(workers.world, await a_run(workers.world, CHAIN), done)
    operation_id = await workers.begun("fork", {"from_node": "b", "version": None})
    while await workers.first.work_once():
        pass
    assert (await workers.operation(operation_id)).done_count == 3
    assert workers.world.store.topics.count("execution.created") == 6


async def test_runs_go_on_in_a_new_version_and_those_that_cannot_say_why(workers: Workers) -> None:
    world = workers.world
    fitting_id = await a_run(world, CHAIN)
    done_id, other_id = [await a_run(world, CHAIN) for _ in range(2)]
    await worked(world, done_id, lambda attempt: "done" if attempt.path == "a" else REFUSED)
    for execution_id in (fitting_id, done_id):
        await revised(world, execution_id, a_chain(an_llm("b"), an_llm("c")))
    operation_id = await workers.begun("upgrade", {"version": 2})
    while await workers.first.work_once():
        pass
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.refused_count) == (1, 2)
    assert (await loaded(world, fitting_id)).workflow_version == 2
    codes = {str(one["execution_id"]): one["code"] for one in operation.refusals}
    assert codes == {str(done_id): "refused", str(other_id): "not_found"}


async def forks_without_room(workers: Workers, refusal: OverLimit, *, room: int) -> UUID:
    """An operation that forks four runs, of which so many are admitted before the refusal."""
    for _ in range(4):
        await worked(workers.world, await a_run(workers.world, CHAIN), done)
    admit, admitted = workers.world.admission.require_admitted, 0

    def admitting(tenant_id: TenantId) -> None:
        nonlocal admitted
        admit(tenant_id)
        if workers.world.admission.refusal is None:
            admitted += 1
            workers.world.admission.refusal = refusal if admitted == room else None

    workers.world.admission.require_admitted = admitting
    return await workers.begun("fork", {"from_node": "b", "version": None})


async def test_forks_rest_until_there_is_room_for_them(workers: Workers) -> None:
    full = TooManyOpenExecutions(retry_after_s=5)
    operation_id = await forks_without_room(workers, full, room=3)
    assert await workers.first.work_once()
    assert not workers.open.claimed
    assert await workers.first.work_once()
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.refused_count, operation.is_completed) == (3, 0, False)
    assert workers.open.claimed == {operation_id}, "it rests"
    workers.world.admission.refusal = None
    workers.open.claimed.clear()
    while await workers.second.work_once():
        pass
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.is_completed) == (4, True)
    assert workers.world.store.topics.count("execution.created") == 8


@pytest.mark.parametrize(("retry_after_s", "stood_s"), [(5, ROOM_WAIT_S_MAX), (86_400, 0)])
async def test_room_that_does_not_come_in_time_is_a_refusal(
    workers: Workers, retry_after_s: float, stood_s: float
) -> None:
    full = ExecutionQuotaReached(retry_after_s=retry_after_s)
    operation_id = await forks_without_room(workers, full, room=1)
    workers.world.clock.time = datetime.now(UTC) + timedelta(seconds=stood_s + 1)
    while await workers.first.work_once():
        pass
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.refused_count) == (1, 3)
    assert [one["code"] for one in operation.refusals] == ["execution_quota"] * 3


async def test_a_page_that_was_done_and_not_recorded_is_repeated_without_a_trace(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worked(workers.world, await a_run(workers.world, CHAIN), done)
    operation_id = await workers.begun("fork", {"from_node": "b", "input": 1})
    with monkeypatch.context() as crash:
        crash.setattr(BulkOperation, "progress", _stops)
        with pytest.raises(Unavailable):
            await workers.first.work_once()
    assert not await workers.second.work_once()
    workers.open.claimed.clear()  # The lease has ended.
    while await workers.second.work_once():
        pass
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.refused_count) == (1, 0)
    assert workers.world.store.topics.count("execution.created") == 2


def _stops(*_: object, **__: object) -> None:
    raise Unavailable


async def test_of_two_workers_at_one_page_one_records_it(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await a_run(workers.world, CHAIN) for _ in range(3)]
    operation_id = await workers.begun("cancel")
    find = workers.world.search.find

    async def overtaken(*args: Any, **named: Any) -> Sequence[UUID]:
        page = await find(*args, **named)
        monkeypatch.setattr(workers.world.search, "find", find)
        workers.open.claimed.clear()  # The lease has ended.
        assert await workers.second.work_once()
        return page

    monkeypatch.setattr(workers.world.search, "find", overtaken)
    assert await workers.first.work_once()
    assert await statuses(workers.world, made) == ["PENDING", *["CANCELLED"] * 2]
    assert (await workers.operation(operation_id)).done_count == 2
    while await workers.second.work_once():
        pass
    assert (await workers.operation(operation_id)).done_count == 3


async def test_only_as_many_as_were_asked_for_are_looked_at(workers: Workers) -> None:
    made = [await a_run(workers.world, CHAIN) for _ in range(4)]
    await workers.begun("cancel", executions_max=3)
    while await workers.first.work_once():
        pass
    assert await statuses(workers.world, made) == ["PENDING", *["CANCELLED"] * 3]


async def test_the_commands_are_those_of_whoever_began_it(workers: Workers) -> None:
    await a_run(workers.world, CHAIN)
    await workers.begun("cancel")
    await workers.first.work_once()
    places = zip(workers.world.store.topics, workers.world.store.envelopes, strict=True)
    assert {topic: one.actor for topic, one in places}["execution.cancelled"] == "api_key:test"


async def test_an_execution_that_was_cancelled_before_counts_as_done(workers: Workers) -> None:
    execution_id = await a_run(workers.world, CHAIN)
    operation_id = await workers.begun("cancel")
    await workers.world.given(CancelExecution(execution_id))
    await workers.first.work_once()
    assert (await workers.operation(operation_id)).done_count == 1


async def test_an_operation_that_finds_nothing_completes(workers: Workers) -> None:
    operation_id = await workers.begun("cancel")
    assert await workers.first.work_once()
    assert (await workers.operation(operation_id)).is_completed
    assert not await workers.first.work_once()


async def test_an_ended_execution_is_refused_and_told(workers: Workers) -> None:
    execution_id = await a_run(workers.world, CHAIN)
    execution = await loaded(workers.world, execution_id)
    execution.trigger_event(Execution.Completed, output=None)
    await workers.world.store.append([execution], Envelope(workers.world.tenant_id, "worker:1"))
    operation_id = await workers.begun("cancel")
    await workers.first.work_once()
    assert (await workers.operation(operation_id)).refused_count == 1


async def test_of_a_cancelled_operation_what_is_not_done_is_not_done(workers: Workers) -> None:
    made = [await a_run(workers.world, CHAIN) for _ in range(5)]
    operation_id = await workers.begun("cancel")
    assert await workers.first.work_once()
    await workers.world.given(CancelBulkOperation(operation_id))
    assert not await workers.second.work_once()
    assert await statuses(workers.world, made) == [*["PENDING"] * 3, *["CANCELLED"] * 2]
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.is_completed) == (2, False)


async def test_a_page_during_which_it_is_cancelled_is_told_and_the_last(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await a_run(workers.world, CHAIN) for _ in range(5)]
    operation_id = await workers.begun("cancel")
    find = workers.world.search.find

    async def cancelled_meanwhile(*args: Any, **named: Any) -> Sequence[UUID]:
        page = await find(*args, **named)
        await workers.world.given(CancelBulkOperation(operation_id))
        return page

    monkeypatch.setattr(workers.world.search, "find", cancelled_meanwhile)
    assert await workers.first.work_once()
    assert not await workers.first.work_once()
    assert await statuses(workers.world, made) == [*["PENDING"] * 3, *["CANCELLED"] * 2]
    operation = await workers.operation(operation_id)
    assert (operation.done_count, operation.is_completed) == (2, False)
    assert workers.world.store.topics[-1] == "bulk_operation.progressed"
