"""Many executions are first counted, then handed to the workers as one operation."""

from uuid import UUID

import pytest

from commands.authorization import MissingScope
from commands.bulk_operations import SAMPLE_MAX, OperateInBulk
from commands.ports import OpenedBulkOperation
from domain.identifiers import JsonObject
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
