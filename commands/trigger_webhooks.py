"""Webhooks of triggers: a request from somebody without an API key begins a run; and another path,
when somebody knows the one there is who should not.
"""

from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from commands.decisions import VARYING, Command, Decided, Tenancy
from commands.executions import require_small
from commands.trigger_fires import begin_run, settle_runs
from commands.trigger_notices import pause_notices
from commands.triggers import decided_about_trigger, load_own_trigger
from domain.feature_flags import WEBHOOKS
from domain.identifiers import JsonObject
from domain.secrets import secret_id
from domain.trigger_fires import DueFire, fire
from domain.trigger_webhooks import (
    Signature,
    SignatureInvalid,
    SignedRequest,
    require_signed,
    signature_of,
)
from domain.triggers import Trigger, TriggerNotFound, TriggerPaused


@dataclass(frozen=True, slots=True)
class ReceiveDelivery(Command):
    """key_generation: of the key that it was sent with. request: {headers, query, body}. signed: as
    it came. One that is delivered again has another timestamp and signature, so its id alone says
    that it is the same.
    """

    requires: ClassVar[str] = "triggers:meet"
    feature: ClassVar[str | None] = WEBHOOKS

    trigger_id: UUID
    key_generation: int
    request: JsonObject = field(metadata=VARYING)
    signed: SignedRequest = field(metadata=VARYING, repr=False)


@dataclass(frozen=True, slots=True)
class RotateTrigger(Command):
    requires: ClassVar[str] = "workflows:execute"

    trigger_id: UUID


async def receive_delivery(command: ReceiveDelivery, on: Tenancy) -> Decided:
    """A key that was replaced is like one that never was. Raises SignatureInvalid, TriggerPaused,
    and what refuses the run.
    """
    trigger = await on.load(Trigger, command.trigger_id, TriggerNotFound)
    webhook = trigger.text.webhook
    if webhook is None or trigger.is_deleted or trigger.key_generation != command.key_generation:
        on.keep(trigger)
        raise TriggerNotFound
    signature = signature_of(webhook)
    if signature is not None:
        await _require_signed(command.signed, signature, on)
    if trigger.is_paused:
        raise TriggerPaused
    require_small(command.request, "body")
    await settle_runs(trigger, on)
    if trigger.is_paused:
        # By the failures that were seen now: this is recorded, and no run begins.
        notices = await pause_notices(trigger, "failures", on)
        return Decided({"execution_id": None}, aggregates=(trigger,), side_rows=tuple(notices))
    body = command.request["body"]
    begun = await begin_run(trigger, command.request, on, instead=body)
    execution_id = UUID(str(begun.result["execution_id"]))
    fire(trigger, DueFire("webhook", on.ports.clock.now()), execution_id)
    return Decided(
        {"execution_id": str(execution_id)},
        aggregates=(trigger, *begun.aggregates),
        side_rows=begun.side_rows,
    )


async def rotate_trigger(command: RotateTrigger, on: Tenancy) -> Decided:
    """The path that was is void at once."""
    trigger = await load_own_trigger(on, command.trigger_id, scope=command.requires)
    trigger.rotate()
    decided = decided_about_trigger(trigger, on)
    result: JsonObject = {**decided.result, "key_generation": trigger.key_generation}
    return Decided(result, decided.aggregates, decided.side_rows)


async def _require_signed(request: SignedRequest, signature: Signature, on: Tenancy) -> None:
    entry_id = secret_id(on.tenant_id, None, signature.secret)
    opened = (await on.vault.open(on.tenant_id, [entry_id])).get(entry_id)
    if opened is None:
        raise SignatureInvalid
    require_signed(request, signature.scheme, opened.value, on.ports.clock.now())
