"""Signals reach the run, in order, each once."""

import pytest

from commands.signals import ReceiveWebhook, SignalExecution
from domain.errors import Invalid
from domain.executions import ExecutionEnded
from domain.identifiers import JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, done, worked

AWAITED: JsonObject = {"id": "payment", "type": "signal", "config": {"name": "paid"}}
REQUEST: JsonObject = {"method": "POST", "query": {}, "headers": {}, "body": 17}


async def test_a_signal_ends_the_wait_of_the_node_it_is_for() -> None:
    world = World()
    execution_id = await a_run(world, a_chain(AWAITED))
    assert (await worked(world, execution_id)).status == "WAITING"
    answer = await world.when(SignalExecution(execution_id, "paid", {"invoice": 17}))
    assert answer.result["status"] == "RUNNING"
    execution = await worked(world, execution_id)
    assert execution.runs.get("payment").output == {"invoice": 17}


async def test_one_idempotency_key_is_one_signal() -> None:
    world = World()
    execution_id = await a_run(world, a_chain(AWAITED))
    first = await world.when(SignalExecution(execution_id, "paid", 1), key="once")
    again = await world.when(SignalExecution(execution_id, "paid", 1), key="once")
    assert again.is_replayed
    assert again.result == first.result
    assert world.store.topics.count("execution.signalled") == 1


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä"])
async def test_a_name_is_short_and_plain(name: str) -> None:
    world = World()
    execution_id = await a_run(world, a_chain(AWAITED))
    with pytest.raises(Invalid) as refusal:
        await world.when(SignalExecution(execution_id, name, None))
    assert [mistake.path for mistake in refusal.value.errors] == ["path:name"]


async def test_a_payload_has_a_size() -> None:
    world = World()
    execution_id = await a_run(world, a_chain(AWAITED))
    with pytest.raises(Invalid) as refusal:
        await world.when(SignalExecution(execution_id, "paid", "x" * PAYLOAD_BYTES_MAX))
    assert [(one.path, one.code) for one in refusal.value.errors] == [
        ("/payload", "payload_too_large")
    ]


async def test_an_ended_execution_hears_no_signal() -> None:
    world = World()
    execution_id = await a_run(world, a_chain())
    await worked(world, execution_id, done)
    with pytest.raises(ExecutionEnded):
        await world.when(SignalExecution(execution_id, "paid", None))


async def test_a_request_to_a_webhook_ends_the_wait_of_its_node_and_says_nothing_of_the_run() -> (
    None
):
    world = World()
    execution_id = await a_run(world, a_chain({"id": "paid", "type": "webhook"}))
    await worked(world, execution_id)
    answer = await world.when(ReceiveWebhook(execution_id, "paid", REQUEST))
    assert answer.result == {"execution_id": str(execution_id), "name": "paid"}
    assert (await worked(world, execution_id)).output == REQUEST


async def test_a_delivery_that_is_repeated_is_known_by_its_id_whatever_else_is_in_it() -> None:
    world = World()
    execution_id = await a_run(world, a_chain({"id": "paid", "type": "webhook"}))
    later: JsonObject = {**REQUEST, "headers": {"webhook-timestamp": "2"}}
    first = await world.when(ReceiveWebhook(execution_id, "paid", REQUEST), key="once")
    again = await world.when(ReceiveWebhook(execution_id, "paid", later), key="once")
    assert again.is_replayed
    assert again.result == first.result
    assert world.store.topics.count("execution.signalled") == 1


async def test_a_request_has_a_name_and_a_size_as_a_signal_has() -> None:
    world = World()
    execution_id = await a_run(world, a_chain())
    for name, body, path in (
        ("webhook:paid", 1, "path:name"),
        ("paid", "x" * PAYLOAD_BYTES_MAX, "/body"),
    ):
        with pytest.raises(Invalid) as refusal:
            await world.when(ReceiveWebhook(execution_id, name, {**REQUEST, "body": body}))
        assert [mistake.path for mistake in refusal.value.errors] == [path]


async def test_no_signal_reaches_a_webhook() -> None:
    world = World()
    execution_id = await a_run(world, a_chain({"id": "paid", "type": "webhook"}))
    with pytest.raises(Invalid):
        await world.when(SignalExecution(execution_id, "webhook:paid", REQUEST))
