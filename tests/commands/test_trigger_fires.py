"""A fire begins its run and records it in one append, on behalf of who made the trigger."""

from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE, Caller
from commands.executions import CancelExecution
from commands.identity_port import StoredUserAccess
from commands.mail_port import QueuedMail
from commands.ports import OpenedExecution
from commands.trigger_fires import BackfillTrigger, FireTrigger
from commands.triggers import PauseTrigger, TriggerOwnerGone
from commands.workflows import DeleteWorkflow, ReviseWorkflow
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.identity import User
from domain.trigger_inputs import TriggerInputFailed
from domain.triggers import BackfillUnderWay, NotScheduled, TriggerNotFound
from domain.workflows import WorkflowNotFound
from tests.commands.fakes import NOON, World
from tests.commands.steps import a_chain, an_llm, loaded, refused, worked
from tests.commands.trigger_steps import a_trigger, due_row, loaded_trigger, looked_at


def run_of(result: object) -> UUID:
    assert isinstance(result, dict)
    return UUID(str(result["execution_id"]))


async def a_person(world: World, email: str) -> UUID:
    """An administrator."""
    user = User(id=world.ids.new(), email=email, role="ADMIN", name=None)
    row = StoredUserAccess(user.id, user.id.bytes, "ADMIN", "ACTIVE")
    envelope = Envelope(world.tenant_id, "operator")
    await world.store.append([user], envelope, side_rows=[row])
    return user.id


async def test_a_fire_and_its_run_are_one_append_and_the_run_is_of_who_made_the_trigger() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    appends = world.store.appends_count
    world.clock.pass_time(hours=1)
    answer = await looked_at(world, trigger_id)
    assert world.store.appends_count == appends + 1
    assert world.store.topics[-2:] == ["trigger.fired", "execution.created"]
    assert world.store.envelopes[-1].actor == f"trigger:{trigger_id}"
    run = await loaded(world, run_of(answer.result))
    assert run.created_by == world.caller.actor
    assert run.input == {
        "kind": "schedule",
        "scheduled_at": (NOON + timedelta(hours=1)).isoformat(),
        "fired_at": (NOON + timedelta(hours=1)).isoformat(),
        "trigger_id": str(trigger_id),
    }
    assert OpenedExecution(run.id) in world.store.side_rows
    assert due_row(world).due_at == NOON + timedelta(hours=2)


async def test_looking_again_at_what_was_fired_records_nothing() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    appends = world.store.appends_count
    assert (await looked_at(world, trigger_id)).position is None
    assert world.store.appends_count == appends


async def test_runs_get_the_newest_version_or_the_one_that_was_said() -> None:
    world = World()
    newest, pinned = await a_trigger(world), await a_trigger(world, workflow_version=1)
    for trigger_id in (newest, pinned):
        trigger = await loaded_trigger(world, trigger_id)
        definition = a_chain(an_llm("b"))
        await world.given(ReviseWorkflow(trigger.workflow_id, {"definition": definition}))
    world.clock.pass_time(hours=1)
    versions = []
    for trigger_id in (newest, pinned):
        answer = await looked_at(world, trigger_id)
        versions.append((await loaded(world, run_of(answer.result))).workflow_version)
    assert versions == [2, 1]


async def test_the_input_is_made_of_when_it_fires() -> None:
    world = World()
    trigger_id = await a_trigger(world, input={"day": "{{ input.scheduled_at }}", "fixed": [1]})
    world.clock.pass_time(hours=1)
    answer = await looked_at(world, trigger_id)
    run = await loaded(world, run_of(answer.result))
    assert run.input == {"day": (NOON + timedelta(hours=1)).isoformat(), "fixed": [1]}


async def test_while_its_run_is_open_the_next_is_missed_and_told() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    assert world.store.topics[-1] == "trigger.missed"
    assert world.store.states[-1]["reason"] == "overlap"


async def test_a_run_that_is_to_give_way_is_cancelled_with_the_next_fire() -> None:
    world = World()
    trigger_id = await a_trigger(world, policy={"overlap": "cancel_other"})
    world.clock.pass_time(hours=1)
    first = run_of((await looked_at(world, trigger_id)).result)
    world.clock.pass_time(hours=1)
    appends = world.store.appends_count
    second = run_of((await looked_at(world, trigger_id)).result)
    assert world.store.appends_count == appends + 1
    assert (await loaded(world, first)).status == "CANCELLED"
    assert (await loaded(world, second)).status == "PENDING"


async def test_after_failures_in_a_row_it_pauses_and_begins_no_more() -> None:
    world = World()
    trigger_id = await a_trigger(world, policy={"pause_after_failures": 2})
    for _ in range(2):
        world.clock.pass_time(hours=1)
        answer = await looked_at(world, trigger_id)
        await worked(world, run_of(answer.result), refused("a"))
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    assert world.store.topics[-2:] == ["trigger.settled", "trigger.paused"]
    assert due_row(world).due_at is None


async def test_who_made_it_is_written_when_it_pauses_itself() -> None:
    world = World()
    ada = await a_person(world, "ada@example.com")
    caller = Caller(f"user:{ada}", world.tenant_id, frozenset({EVERY_SCOPE}), ada)
    trigger_id = await a_trigger(world, caller=caller, policy={"pause_after_failures": 1})
    world.clock.pass_time(hours=1)
    await worked(world, run_of((await looked_at(world, trigger_id)).result), refused("a"))
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    (mail,) = world.mailbox.mails
    assert mail.to == "ada@example.com"
    assert mail.text.startswith("A trigger has paused itself: 1 of its runs failed")
    assert any(isinstance(row, QueuedMail) for row in world.store.side_rows)
    await looked_at(world, trigger_id)
    assert len(world.mailbox.mails) == 1


async def test_the_administrators_are_written_of_a_trigger_that_a_key_made() -> None:
    world = World()
    await a_person(world, "grace@example.com")
    trigger_id = await a_trigger(world)
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id, refused_with="not_found", must_pause=True)
    (mail,) = world.mailbox.mails
    assert (mail.to, "refused (not_found)" in mail.text) == ("grace@example.com", True)


async def test_a_run_that_was_cancelled_lets_the_next_one_begin() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    world.clock.pass_time(hours=1)
    first = run_of((await looked_at(world, trigger_id)).result)
    await world.given(CancelExecution(first))
    world.clock.pass_time(hours=1)
    await looked_at(world, trigger_id)
    assert world.store.topics[-3:] == ["trigger.settled", "trigger.fired", "execution.created"]


async def test_who_made_it_and_is_not_active_any_more_begins_nothing() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    world.parts.strangers.add(world.caller.actor)
    world.clock.pass_time(hours=1)
    with pytest.raises(TriggerOwnerGone) as refusal:
        await looked_at(world, trigger_id)
    await looked_at(world, trigger_id, refused_with=refusal.value.code, must_pause=True)
    assert world.store.topics[-2:] == ["trigger.missed", "trigger.paused"]
    assert world.store.states[-1]["reason"] == "trigger_owner_gone"


async def test_a_workflow_that_is_gone_refuses_its_fires() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    workflow_id = (await loaded_trigger(world, trigger_id)).workflow_id
    await world.given(DeleteWorkflow(workflow_id))
    world.clock.pass_time(hours=1)
    with pytest.raises(WorkflowNotFound):
        await looked_at(world, trigger_id)


async def test_by_hand_it_fires_at_once_even_while_it_is_paused() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    await world.given(PauseTrigger(trigger_id))
    answer = await world.when(FireTrigger(trigger_id))
    run = await loaded(world, run_of(answer.result))
    assert isinstance(run.input, dict)
    assert run.input["kind"] == "by_hand"
    assert due_row(world).due_at is None


async def test_a_period_that_has_passed_is_made_up_for_one_by_one() -> None:
    world = World()
    trigger_id = await a_trigger(world, policy={"overlap": "allow_all"})
    order = BackfillTrigger(trigger_id, NOON - timedelta(hours=3), NOON - timedelta(hours=1))
    answer = await world.when(order)
    assert answer.result == {"trigger_id": str(trigger_id), "count": 2}
    with pytest.raises(BackfillUnderWay):
        await world.when(order)
    times = []
    for _ in range(2):
        assert due_row(world).due_at == NOON
        run = await loaded(world, run_of((await looked_at(world, trigger_id)).result))
        assert isinstance(run.input, dict)
        times.append(run.input["scheduled_at"])
    assert times == [(NOON - timedelta(hours=hours)).isoformat() for hours in (2, 1)]
    assert due_row(world).due_at == NOON + timedelta(hours=1)


async def test_an_input_that_cannot_be_made_refuses_the_fire() -> None:
    world = World()
    trigger_id = await a_trigger(world, input={"a": "{{ input.nothing }}"})
    world.clock.pass_time(hours=1)
    with pytest.raises(TriggerInputFailed, match="/input/a"):
        await looked_at(world, trigger_id)


async def test_the_triggers_of_others_are_not_there() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    other = world.caller_with("workflows:execute", actor="user:eve", user_id=UUID(int=9))
    eve = type(other)(
        other.actor, other.tenant_id, other.scopes, other.user_id, own_only=other.scopes
    )
    for command in (FireTrigger(trigger_id), BackfillTrigger(trigger_id, NOON, NOON)):
        with pytest.raises(TriggerNotFound):
            await world.when(command, caller=eve)


async def test_a_webhook_has_nothing_to_fire_by_hand() -> None:
    world = World()
    trigger_id = await a_trigger(world, webhook={})
    with pytest.raises(NotScheduled):
        await world.when(FireTrigger(trigger_id))


async def test_a_period_that_has_not_passed_is_refused() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    with pytest.raises(Invalid):
        await world.when(BackfillTrigger(trigger_id, NOON, NOON + timedelta(hours=1)))
