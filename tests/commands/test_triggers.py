"""Triggers are made, changed and steered by who may run the workflow."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.decisions import VersionMismatch
from commands.plan_port import CountedPart, RemovedPart
from commands.triggers import (
    ChangeTrigger,
    CreateTrigger,
    DeleteTrigger,
    PauseTrigger,
    ResumeTrigger,
)
from domain.errors import Invalid
from domain.trigger_inputs import INPUT_BYTES_MAX
from domain.triggers import TriggerNotFound
from domain.workflows import WorkflowNotFound, WorkflowVersionNotFound
from tests.commands.fakes import NOON, World
from tests.commands.trigger_steps import HOURLY, a_trigger, a_workflow, due_row, loaded_trigger


def eve(world: World) -> Caller:
    """Somebody whose scope reaches only what is theirs."""
    scopes = frozenset({"workflows:execute"})
    return Caller("user:eve", world.tenant_id, scopes, UUID(int=9), own_only=scopes)


async def test_a_trigger_is_counted_and_says_when_it_fires() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    answer = await world.when(CreateTrigger(workflow_id, {"name": "a", "schedule": HOURLY}))  # pyright: ignore[reportArgumentType] # an object
    trigger_id = UUID(str(answer.result["trigger_id"]))
    times: Any = answer.result["next_times"]
    assert times[:2] == [(NOON + timedelta(hours=hours)).isoformat() for hours in (1, 2)]
    assert len(times) == 10
    assert CountedPart("triggers", trigger_id) in world.store.side_rows
    assert due_row(world).due_at == NOON + timedelta(hours=1)
    assert (await loaded_trigger(world, trigger_id)).created_by == world.caller.actor


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        ({}, "", "schedule_or_webhook"),
        ({"schedule": HOURLY, "webhook": {}}, "", "schedule_or_webhook"),
        ({"schedule": {"cron": "* * * *"}}, "/schedule/cron", "invalid_cron"),
        ({"schedule": HOURLY, "input": "{{ nodes.a.output }}"}, "/input", "unknown_root"),
        ({"schedule": HOURLY, "input": ["{{ execution.id }}"]}, "/input/0", "unknown_root"),
        ({"schedule": HOURLY, "input": {"a": "{{ 1 + }}"}}, "/input/a", "invalid_expression"),
        ({"schedule": HOURLY, "input": "x" * INPUT_BYTES_MAX}, "/input", "too_large"),
        (
            {"webhook": {"signature": {"scheme": "github", "secret": "no name"}}},
            "/webhook/signature/secret",
            "invalid_name",
        ),
    ],
    ids=["neither", "both", "cron", "node", "execution", "expression", "large", "secret"],
)
async def test_what_is_wrong_is_named(content: Any, path: str, code: str) -> None:
    world = World()
    workflow_id = await a_workflow(world)
    with pytest.raises(Invalid) as refusal:
        await world.when(CreateTrigger(workflow_id, content | {"name": "a"}))
    assert [(one.path, one.code) for one in refusal.value.errors] == [(path, code)]


async def test_a_workflow_or_version_that_is_not_there_gets_no_trigger() -> None:
    world = World()
    content: Any = {"name": "a", "schedule": HOURLY}
    with pytest.raises(WorkflowNotFound):
        await world.when(CreateTrigger(UUID(int=5), content))
    workflow_id = await a_workflow(world)
    with pytest.raises(WorkflowVersionNotFound):
        await world.when(CreateTrigger(workflow_id, content | {"workflow_version": 2}))


async def test_who_may_not_run_the_workflow_gets_no_trigger() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    content: Any = {"name": "a", "schedule": HOURLY}
    with pytest.raises(MissingScope):
        await world.when(CreateTrigger(workflow_id, content), caller=world.caller_with("read"))
    world.parts.strangers.add("user:eve")
    with pytest.raises(WorkflowNotFound):
        await world.when(CreateTrigger(workflow_id, content), caller=eve(world))


async def test_a_change_says_only_what_becomes_different() -> None:
    world = World()
    trigger_id = await a_trigger(world, input={"a": 1}, policy={"overlap": "buffer_one"})
    world.clock.pass_time(minutes=30)
    changes: Any = {"name": "Daily", "policy": {"pause_after_failures": 3}}
    await world.given(ChangeTrigger(trigger_id, changes))
    text = (await loaded_trigger(world, trigger_id)).text
    assert (text.name, text.schedule, text.input) == ("Daily", HOURLY, {"a": 1})
    assert (text.policy["overlap"], text.policy["pause_after_failures"]) == ("buffer_one", 3)
    assert due_row(world).due_at == NOON + timedelta(hours=1)
    await world.given(ChangeTrigger(trigger_id, {"schedule": {"every_s": 1200}}))
    assert due_row(world).due_at == NOON + timedelta(minutes=40)


async def test_a_trigger_stays_of_its_kind() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    with pytest.raises(Invalid):
        await world.when(ChangeTrigger(trigger_id, {"webhook": {}}))
    webhook_id = await a_trigger(world, webhook={})
    with pytest.raises(Invalid):
        await world.when(ChangeTrigger(webhook_id, {"schedule": {"every_s": 60}}))


async def test_another_version_than_was_expected_is_refused() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    with pytest.raises(VersionMismatch):
        await world.when(ChangeTrigger(trigger_id, {"name": "b"}, expected_version=2))
    with pytest.raises(VersionMismatch):
        await world.when(DeleteTrigger(trigger_id, expected_version=2))


async def test_while_it_is_paused_nobody_looks_at_it() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    (paused,) = await world.given(PauseTrigger(trigger_id, "holidays"))
    assert (paused["is_paused"], paused["next_times"]) == (True, [])
    assert due_row(world).due_at is None
    world.clock.pass_time(hours=5, minutes=30)
    (resumed,) = await world.given(ResumeTrigger(trigger_id))
    assert resumed["is_paused"] is False
    assert due_row(world).due_at == NOON + timedelta(hours=6)


async def test_a_deleted_trigger_is_counted_no_more_and_never_due() -> None:
    world = World()
    trigger_id = await a_trigger(world)
    await world.given(DeleteTrigger(trigger_id))
    assert RemovedPart("triggers", trigger_id) in world.store.side_rows
    assert due_row(world).due_at is None
    with pytest.raises(TriggerNotFound):
        await world.when(PauseTrigger(trigger_id))


@pytest.mark.parametrize("kind", [ChangeTrigger, DeleteTrigger, PauseTrigger, ResumeTrigger])
async def test_the_triggers_of_others_are_not_there(kind: Any) -> None:
    world = World()
    trigger_id = await a_trigger(world)
    command = kind(trigger_id, {"name": "mine"}) if kind is ChangeTrigger else kind(trigger_id)
    with pytest.raises(TriggerNotFound):
        await world.when(command, caller=eve(world))
