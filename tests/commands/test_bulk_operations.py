"""Many executions are first counted, then handed to the workers as one operation."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import MissingScope
from commands.bulk_operations import SAMPLE_MAX, CancelBulkOperation, OperateInBulk
from commands.ports import ClosedBulkOperation, OpenedBulkOperation
from domain.bulk_operations import BulkOperationNotFound
from domain.identifiers import JsonObject, TenantId
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, refused, worked

CHAIN = a_chain(an_llm("a"))


async def runs(world: World, count: int) -> list[UUID]:
    """Oldest first; every second one has failed."""
    made = [await a_run(world, CHAIN) for _ in range(count)]
    for execution_id in made[1::2]:
        await worked(world, execution_id, refused("a"))
    return made


async def test_a_dry_run_tells_how_many_and_the_newest_and_stores_nothing() -> None:
    world = World()
    made = await runs(world, 4)
    stored = len(world.store.events)
    answer = await world.when(OperateInBulk("retry", {"status": "FAILED"}, {}))
    assert answer.result == {
        "count": 2,
        "is_capped": False,
        "sample": [str(made[3]), str(made[1])],
    }
    assert len(world.store.events) == stored


async def test_a_dry_run_says_that_there_are_more_than_would_be_done() -> None:
    world = World()
    await runs(world, SAMPLE_MAX + 2)
    answer = await world.when(OperateInBulk("cancel", {}, {}, executions_max=SAMPLE_MAX + 1))
    sample = answer.result["sample"]
    assert isinstance(sample, list)
    assert (answer.result["count"], answer.result["is_capped"]) == (SAMPLE_MAX + 1, True)
    assert len(sample) == SAMPLE_MAX


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"workflow_id": str(UUID(int=1))}, 0),
        ({"definition_hash": "other"}, 0),
        ({"created_after": "2020-01-01T00:00:00+00:00"}, 2),
        ({"created_before": "2020-01-01T00:00:00+00:00"}, 0),
    ],
)
async def test_every_part_of_the_filter_counts(wanted: JsonObject, count: int) -> None:
    world = World()
    await runs(world, 2)
    assert (await world.when(OperateInBulk("cancel", wanted, {}))).result["count"] == count


async def test_an_operation_is_begun_open_at_the_newest_execution() -> None:
    world = World()
    made = await runs(world, 2)
    answer = await world.when(OperateInBulk("cancel", {}, {"reason": "no"}, is_dry_run=False))
    operation_id = UUID(str(answer.result["bulk_operation_id"]))
    assert answer.result["count"] == 2
    assert world.store.side_rows[-1] == OpenedBulkOperation(operation_id)
    created = world.store.states[-1]
    assert UUID(str(created["cursor"])).int == made[-1].int + 1
    assert (created["created_by"], created["parameters"]) == ("api_key:test", {"reason": "no"})


async def test_one_idempotency_key_is_one_operation() -> None:
    world = World()
    await runs(world, 1)
    command = OperateInBulk("cancel", {}, {}, is_dry_run=False)
    first = await world.when(command, key="once")
    assert (await world.when(command, key="once")).result == first.result
    assert world.store.topics.count("bulk_operation.created") == 1


async def test_who_may_not_steer_one_execution_may_not_steer_many() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(OperateInBulk("cancel", {}, {}), caller=world.caller_with("read"))


async def begun(world: World) -> UUID:
    (told,) = await world.given(OperateInBulk("cancel", {}, {}, is_dry_run=False))
    return UUID(str(told["bulk_operation_id"]))


async def test_an_operation_is_cancelled_once_and_nobody_finds_it_again() -> None:
    world = World()
    await runs(world, 1)
    operation_id = await begun(world)
    for _ in range(2):
        answer = await world.when(CancelBulkOperation(operation_id))
        assert (answer.result["status"], answer.result["done_count"]) == ("CANCELLED", 0)
    assert world.store.topics.count("bulk_operation.cancelled") == 1
    assert world.store.side_rows.count(ClosedBulkOperation(operation_id)) == 1


async def test_who_may_steer_only_their_own_runs_cancels_no_operation() -> None:
    world = World()
    operation_id = await begun(world)
    own_only = replace(world.caller, own_only=frozenset({"executions:write"}))
    for caller in (own_only, world.caller_with("read")):
        with pytest.raises(MissingScope):
            await world.when(CancelBulkOperation(operation_id), caller=caller)
    assert "bulk_operation.cancelled" not in world.store.topics


async def test_an_operation_of_another_tenant_is_not_there() -> None:
    world = World()
    operation_id = await begun(world)
    stranger = replace(world.caller, tenant_id=TenantId(world.ids.new()))
    with pytest.raises(BulkOperationNotFound):
        await world.when(CancelBulkOperation(operation_id), caller=stranger)
