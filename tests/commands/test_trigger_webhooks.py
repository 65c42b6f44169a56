"""A request to the webhook of a trigger begins a run, if it is signed as the trigger wants it."""

import hashlib
import hmac
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.dispatch import Answer
from commands.secrets import PutSecret
from commands.trigger_port import StoredDueTrigger
from commands.trigger_webhooks import ReceiveDelivery, RotateTrigger
from commands.triggers import DeleteTrigger, PauseTrigger, TriggerOwnerGone
from domain.feature_flags import FeatureOff
from domain.identifiers import Json
from domain.trigger_webhooks import SignatureInvalid, SignedRequest
from domain.triggers import NoWebhook, TriggerNotFound, TriggerPaused
from tests.commands.fakes import World
from tests.commands.steps import loaded, refused, worked
from tests.commands.trigger_steps import a_trigger, loaded_trigger

SIGNED: Json = {"signature": {"scheme": "github", "secret": "hook"}}


async def delivered(
    world: World,
    trigger_id: UUID,
    body: Json = None,
    *,
    key: str | None = None,
    generation: int = 1,
    signature: str = "",
) -> Answer:
    caller = Caller(f"trigger:{trigger_id}", world.tenant_id, frozenset({"triggers:meet"}))
    signed = SignedRequest(b"{}", {"x-hub-signature-256": signature})
    request: dict[str, Json] = {"headers": {"x-shop": "Acme"}, "query": {}, "body": body}
    command = ReceiveDelivery(trigger_id, generation, request, signed)
    return await world.when(command, key=key, caller=caller)


async def test_its_body_is_the_input_of_a_run_of_who_made_the_trigger() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    answer = await delivered(world, trigger_id, {"order": 17})
    run = await loaded(world, UUID(str(answer.result["execution_id"])))
    assert (run.input, run.created_by) == ({"order": 17}, world.caller.actor)
    assert world.store.topics[-2:] == ["trigger.fired", "execution.created"]
    assert world.store.states[-2]["kind"] == "webhook"
    rows = [row for row in world.store.side_rows if isinstance(row, StoredDueTrigger)]
    assert rows == []


async def test_the_input_may_be_made_of_the_request() -> None:
    world = World()
    template: Json = {"id": "{{ input.body.order }}", "shop": "{{ input.headers['x-shop'] }}"}
    trigger_id = await a_trigger(world, webhook={}, input=template)
    answer = await delivered(world, trigger_id, {"order": 17})
    run = await loaded(world, UUID(str(answer.result["execution_id"])))
    assert run.input == {"id": 17, "shop": "Acme"}


async def test_one_delivery_begins_one_run_however_often_it_comes() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    first = await delivered(world, trigger_id, {"order": 17}, key="msg_1")
    again = await delivered(world, trigger_id, {"order": 18}, key="msg_1")
    assert (again.result, again.is_replayed) == (first.result, True)
    assert world.store.topics.count("execution.created") == 1


async def test_only_what_is_signed_is_taken() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook=SIGNED)
    right = "sha256=" + hmac.new(b"it is known", b"{}", hashlib.sha256).hexdigest()
    with pytest.raises(SignatureInvalid):  # There is no such secret yet.
        await delivered(world, trigger_id, signature=right)
    await world.given(PutSecret("hook", "it is known"))
    with pytest.raises(SignatureInvalid):
        await delivered(world, trigger_id, signature=right[:-1])
    assert (await delivered(world, trigger_id, signature=right)).result["execution_id"]


async def test_who_repeats_a_delivery_without_a_signature_begins_nothing() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook=SIGNED)
    await world.given(PutSecret("hook", "it is known"))
    appends = world.store.appends_count
    with pytest.raises(SignatureInvalid):
        await delivered(world, trigger_id, key="msg_1")
    assert world.store.appends_count == appends


async def test_after_it_was_given_another_key_the_one_before_is_void() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    (rotated,) = await world.given(RotateTrigger(trigger_id))
    assert rotated["key_generation"] == 2
    with pytest.raises(TriggerNotFound):
        await delivered(world, trigger_id)
    assert (await delivered(world, trigger_id, generation=2)).result["execution_id"]


async def test_a_schedule_and_what_was_deleted_take_no_requests() -> None:
    world = World()
    scheduled, deleted = await a_trigger(world), await a_trigger(world, webhook={})
    await world.given(DeleteTrigger(deleted))
    for trigger_id in (scheduled, deleted, UUID(int=5)):
        with pytest.raises(TriggerNotFound):
            await delivered(world, trigger_id)
    with pytest.raises(NoWebhook):
        await world.when(RotateTrigger(scheduled))


async def test_while_it_is_paused_requests_are_refused_and_can_be_sent_again() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    await world.given(PauseTrigger(trigger_id))
    with pytest.raises(TriggerPaused):
        await delivered(world, trigger_id)


async def test_it_pauses_after_failures_in_a_row() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={}, policy={"pause_after_failures": 1})
    answer = await delivered(world, trigger_id)
    await worked(world, UUID(str(answer.result["execution_id"])), refused("a"))
    assert (await delivered(world, trigger_id)).result == {"execution_id": None}
    assert (await loaded_trigger(world, trigger_id)).is_paused


async def test_of_somebody_who_is_not_active_any_more_it_begins_nothing() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    world.parts.strangers.add(world.caller.actor)
    with pytest.raises(TriggerOwnerGone):
        await delivered(world, trigger_id)


async def test_where_webhooks_are_switched_off_there_are_none() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    world.features.switch_off("webhooks")
    with pytest.raises(FeatureOff):
        await delivered(world, trigger_id)
