"""Triggers: what begins runs of a workflow by itself. Made by whoever may run the workflow, and
for as long as they may: its runs are theirs.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, cast
from uuid import UUID

from typing_extensions import TypedDict

from commands.authorization import Caller, holds
from commands.decisions import Command, Decided, Tenancy, require_version
from commands.ownership import load_own, load_runnable_workflow
from commands.parts import require_pinned_parts
from commands.plan_port import CountedPart, RemovedPart
from commands.ports import SideRow
from commands.trigger_port import StoredDueTrigger
from domain.errors import FieldError, Forbidden, Invalid
from domain.identifiers import Json, JsonObject
from domain.schedules import SHOWN_TIMES_MAX, parse_schedule
from domain.trigger_fires import look_at
from domain.trigger_inputs import require_input
from domain.trigger_webhooks import parse_webhook
from domain.triggers import Trigger, TriggerNotFound, TriggerText


class TriggerOwnerGone(Forbidden):
    """Whoever made this trigger may not run the workflow any more."""

    code = "trigger_owner_gone"


class TriggerContent(TypedDict, total=False):
    """What can be said of a trigger; as TriggerText has it."""

    name: str
    workflow_version: int | None
    schedule: JsonObject
    webhook: JsonObject
    input: Json
    policy: JsonObject


@dataclass(frozen=True, slots=True)
class CreateTrigger(Command):
    """content: with exactly one of schedule and webhook."""

    requires: ClassVar[str] = "workflows:execute"

    workflow_id: UUID
    content: TriggerContent


@dataclass(frozen=True, slots=True)
class ChangeTrigger(Command):
    """changes: what becomes different; members of policy one by one."""

    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID
    changes: TriggerContent
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteTrigger(Command):
    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class PauseTrigger(Command):
    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ResumeTrigger(Command):
    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID
    note: str | None = None


POLICY: JsonObject = {
    "overlap": "skip",
    "catch_up_window_s": 3600,
    "catch_up_fires_max": 1,
    "pause_after_failures": None,
}


async def create_trigger(command: CreateTrigger, on: Tenancy) -> Decided:
    content = command.content
    if ("schedule" in content) == ("webhook" in content):
        reason = "exactly one of `schedule` and `webhook` is expected"
        raise Invalid(errors=[FieldError("", "schedule_or_webhook", reason)])
    empty = TriggerText("", None, None, None, None, POLICY)
    text = _changed(empty, content)
    await _require_runnable(on, command.workflow_id, text)
    trigger = on.begin(
        Trigger,
        on.ports.ids.new(),
        workflow_id=str(command.workflow_id),
        name=text.name,
        workflow_version=text.workflow_version,
        schedule=text.schedule,
        webhook=text.webhook,
        input=text.input,
        policy=text.policy,
        decided_until=on.ports.clock.now().isoformat(),
        created_by=on.caller.actor,
    )
    decided = decided_about_trigger(trigger, on, counted=CountedPart("triggers", trigger.id))
    if trigger.kind == "schedule":
        return decided
    result: JsonObject = {**decided.result, "key_generation": trigger.key_generation}
    return replace(decided, result=result)


async def change_trigger(command: ChangeTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    require_version(trigger, command.expected_version)
    is_other = trigger.kind == "schedule" and "webhook" in command.changes
    if is_other or (trigger.kind == "webhook" and "schedule" in command.changes):
        raise Invalid(errors=[FieldError("", "other_kind", "what kind it is, stays")])
    text = _changed(trigger.text, command.changes)
    await _require_runnable(on, trigger.workflow_id, text)
    trigger.change(text, on.ports.clock.now())
    return decided_about_trigger(trigger, on)


async def delete_trigger(command: DeleteTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    require_version(trigger, command.expected_version)
    trigger.delete()
    result: JsonObject = {"trigger_id": str(trigger.id), "is_deleted": True}
    rows = (RemovedPart("triggers", trigger.id), StoredDueTrigger(trigger.id, None))
    return Decided(result, aggregates=(trigger,), side_rows=rows)


async def pause_trigger(command: PauseTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    trigger.pause("by_hand", command.note)
    return decided_about_trigger(trigger, on)


async def resume_trigger(command: ResumeTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    trigger.resume(command.note, on.ports.clock.now())
    return decided_about_trigger(trigger, on)


async def load_own_trigger(on: Tenancy, trigger_id: UUID, *, scope: str) -> Trigger:
    """Raises TriggerNotFound."""
    trigger = await load_own(on, Trigger, trigger_id, TriggerNotFound, scope=scope)
    trigger.require_present()
    return trigger


async def as_owner(trigger: Trigger, on: Tenancy) -> Tenancy:
    """The same for whoever made the trigger, with what they may do now. Raises
    TriggerOwnerGone.
    """
    grants = await on.parts.grants_of(on.tenant_id, trigger.created_by)
    if grants is None:
        raise TriggerOwnerGone
    owner = Caller(trigger.created_by, on.tenant_id, grants.scopes, own_only=grants.own_only)
    if not holds(owner, CreateTrigger.requires):
        raise TriggerOwnerGone
    return replace(on, caller=owner)


def decided_about_trigger(
    trigger: Trigger, on: Tenancy, *, counted: CountedPart | None = None
) -> Decided:
    """With when it has to be looked at next, of a schedule."""
    if not trigger.pending_events:
        on.keep(trigger)
        return Decided(present(trigger, on), aggregates=())
    rows: list[SideRow] = [] if counted is None else [counted]
    if trigger.kind == "schedule":
        rows.append(StoredDueTrigger(trigger.id, look_at(trigger, on.ports.clock.now())))
    return Decided(present(trigger, on), aggregates=(trigger,), side_rows=rows)


def present(trigger: Trigger, on: Tenancy) -> JsonObject:
    times: list[Json] = []
    if trigger.kind == "schedule" and not trigger.is_paused:
        upcoming = trigger.schedule.times(max(trigger.decided_until, on.ports.clock.now()))
        found = zip(range(SHOWN_TIMES_MAX), upcoming, strict=False)
        times = [time.isoformat() for _, time in found]
    return {
        "trigger_id": str(trigger.id),
        "workflow_id": str(trigger.workflow_id),
        "is_paused": trigger.is_paused,
        "next_times": times,
        "version": trigger.version,
    }


async def _require_runnable(on: Tenancy, workflow_id: UUID, text: TriggerText) -> None:
    """What cannot be run now needs no trigger. Raises WorkflowNotFound, WorkflowVersionNotFound,
    UnknownParts.
    """
    workflow = await load_runnable_workflow(on, workflow_id, scope=CreateTrigger.requires)
    _, definition_hash = workflow.definition_hash(text.workflow_version)
    on.keep(workflow)
    await require_pinned_parts(on, definition_hash, workflow_id)


def _changed(text: TriggerText, changes: TriggerContent) -> TriggerText:
    """Raises Invalid."""
    if "schedule" in changes:
        parse_schedule(changes["schedule"])
    if "webhook" in changes:
        parse_webhook(changes["webhook"])
    if "input" in changes:
        require_input(changes["input"])
    told = cast("dict[str, Json]", {**changes})
    policy = {**text.policy, **cast("JsonObject", told.pop("policy", {}))}
    return replace(text, **told, policy=policy)  # pyright: ignore[reportArgumentType] # members of TriggerContent are fields
