"""Fires of triggers: of those that are due, by hand, and of a period that has passed. Each begins
its run and records it in one append, so that a fire is neither lost nor made twice.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.executions import Pinned, begin_execution
from commands.ownership import load_runnable_workflow
from commands.parts import require_pinned_parts
from commands.trigger_notices import pause_notices
from commands.trigger_port import StoredDueTrigger
from commands.triggers import as_owner, decided_about_trigger, load_own_trigger
from domain.errors import Refused
from domain.execution_commands import cancel
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.trigger_fires import DueFire, backfill, fire, look_at, miss, next_fire, settle
from domain.trigger_inputs import input_of, told_of_fire
from domain.triggers import NotScheduled, Trigger, TriggerNotFound

# Of open runs that are looked at before a fire; the others wait for the next one.
SETTLED_AT_ONCE_MAX = 10
CANCELLED_BY_NEXT = "the trigger that began it began the next run"


@dataclass(frozen=True, slots=True)
class FireDueTrigger(Command):
    """refused_with: the code of what refused the fire that is due, for good; it is recorded as
    missed. must_pause: nothing will make the next ones succeed. waited_for: what refused those that
    are too late by now.
    """

    requires: ClassVar[str] = "triggers:meet"

    trigger_id: UUID
    refused_with: str | None = None
    must_pause: bool = False
    waited_for: str | None = None


@dataclass(frozen=True, slots=True)
class FireTrigger(Command):
    """Now, whatever else runs, and also while it is paused."""

    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID


@dataclass(frozen=True, slots=True)
class BackfillTrigger(Command):
    """The times after from_at up to to_at, one after the other."""

    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID
    from_at: datetime
    to_at: datetime


async def fire_due_trigger(command: FireDueTrigger, on: Tenancy) -> Decided:
    """Nothing is recorded where nothing is due."""
    trigger = await on.load(Trigger, command.trigger_id, TriggerNotFound)
    now = on.ports.clock.now()
    if trigger.is_deleted or trigger.is_paused:
        on.keep(trigger)
        return Decided({}, aggregates=())
    await settle_runs(trigger, on)
    if trigger.is_paused:
        return await _paused(trigger, "failures", on)
    due = next_fire(trigger, now, command.waited_for)
    if due is None:
        return _looked_at(trigger, on)
    if command.refused_with is not None:
        miss(trigger, due, command.refused_with)
        if not command.must_pause:
            return _looked_at(trigger, on)
        trigger.pause(command.refused_with)
        return await _paused(trigger, command.refused_with, on)
    cancelled = await _cancelled_by(trigger, on)
    came = told_of_fire(trigger.id, due, now)
    begun = await begin_run(trigger, came, on, instead=came)
    fire(trigger, due, UUID(str(begun.result["execution_id"])))
    row = StoredDueTrigger(trigger.id, look_at(trigger, now))
    # First the trigger: what follows in an append follows from it.
    return Decided(
        begun.result,
        aggregates=(trigger, *cancelled.aggregates, *begun.aggregates),
        side_rows=(row, *cancelled.side_rows, *begun.side_rows),
    )


async def fire_trigger(command: FireTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    if trigger.kind != "schedule":  # Nothing has come that a run could get.
        raise NotScheduled(trigger_id=str(trigger.id))
    now = on.ports.clock.now()
    due = DueFire("by_hand", now)
    came = told_of_fire(trigger.id, due, now)
    begun = await begin_run(trigger, came, on, instead=came)
    fire(trigger, due, UUID(str(begun.result["execution_id"])))
    row = StoredDueTrigger(trigger.id, look_at(trigger, now))
    result: JsonObject = {"trigger_id": str(trigger.id), **begun.result}
    return Decided(
        result, aggregates=(trigger, *begun.aggregates), side_rows=(row, *begun.side_rows)
    )


async def backfill_trigger(command: BackfillTrigger, on: Tenancy) -> Decided:
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    count = backfill(trigger, command.from_at, command.to_at, on.ports.clock.now())
    decided = decided_about_trigger(trigger, on)
    result: JsonObject = {"trigger_id": str(trigger.id), "count": count}
    return Decided(result, decided.aggregates, decided.side_rows)


async def begin_run(trigger: Trigger, came: JsonObject, on: Tenancy, *, instead: Json) -> Decided:
    """On behalf of who made the trigger, who has to be able to run it now. instead: what the run
    gets of a trigger that does not say what of what came. Raises TriggerOwnerGone,
    WorkflowNotFound, UnknownParts, TriggerInputFailed, and what Admission raises.
    """
    owner = await as_owner(trigger, on)
    template = trigger.text.input
    given: Json = instead if template is None else input_of(template, came)
    workflow = await load_runnable_workflow(owner, trigger.workflow_id, scope="workflows:execute")
    version, definition_hash = workflow.definition_hash(trigger.text.workflow_version)
    on.keep(workflow)
    await require_pinned_parts(owner, definition_hash, trigger.workflow_id)
    pinned = Pinned(definition_hash, str(trigger.workflow_id), version)
    return await begin_execution(owner, pinned, given)


async def settle_runs(trigger: Trigger, on: Tenancy) -> None:
    """Records which of its runs have ended, and pauses it when too many have failed."""
    for execution_id in trigger.open_runs[:SETTLED_AT_ONCE_MAX]:
        execution = await on.ports.events.load(Execution, UUID(execution_id), on.tenant_id)
        if execution is None:
            continue
        if execution.is_ended:
            settle(trigger, execution_id, execution.status)
        on.keep(execution)


async def _cancelled_by(trigger: Trigger, on: Tenancy) -> Decided:
    """The runs that go before the next one begins, where the policy says so."""
    together = Decided({}, aggregates=())
    if trigger.overlap != "cancel_other":
        return together
    for execution_id in trigger.open_runs[:SETTLED_AT_ONCE_MAX]:
        execution = await on.ports.events.load(Execution, UUID(execution_id), on.tenant_id)
        if execution is None or execution.is_ended:
            continue
        try:
            cancel(execution, CANCELLED_BY_NEXT)
        except Refused:
            on.keep(execution)  # It is being undone, and goes on with that.
            continue
        one = await decided_about(execution, on)
        together = Decided(
            {},
            aggregates=(*together.aggregates, *one.aggregates),
            side_rows=(*together.side_rows, *one.side_rows),
        )
    return together


async def _paused(trigger: Trigger, reason: str, on: Tenancy) -> Decided:
    decided = _looked_at(trigger, on)
    notices = await pause_notices(trigger, reason, on)
    return replace(decided, side_rows=(*decided.side_rows, *notices))


def _looked_at(trigger: Trigger, on: Tenancy) -> Decided:
    decided = decided_about_trigger(trigger, on)
    return Decided({}, decided.aggregates, decided.side_rows)
