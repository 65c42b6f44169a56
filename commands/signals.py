"""Signals: named messages to an execution, also those that strangers send to its webhooks."""

from dataclasses import dataclass, field, replace
from typing import ClassVar
from uuid import UUID

from commands.decisions import VARYING, Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.executions import require_small
from commands.ownership import load_own_execution
from domain.errors import FieldError, Invalid
from domain.execution_commands import signal
from domain.feature_flags import WEBHOOKS
from domain.identifiers import Json, JsonObject
from domain.signals import NAME_CHARACTERS_MAX, is_signal_name, webhook_signal


@dataclass(frozen=True, slots=True)
class SignalExecution(Command):
    requires: ClassVar[str] = "executions:signal"

    execution_id: UUID
    name: str
    payload: Json


@dataclass(frozen=True, slots=True)
class ReceiveWebhook(Command):
    """request: {method, query, headers, body}. One that is delivered again has another timestamp
    and signature, so its id alone says that it is the same.
    """

    requires: ClassVar[str] = "executions:signal"
    feature: ClassVar[str | None] = WEBHOOKS

    execution_id: UUID
    name: str
    request: JsonObject = field(metadata=VARYING)


async def signal_execution(command: SignalExecution, on: Tenancy) -> Decided:
    """Each call is one more message; an idempotency key makes several calls one."""
    _require_name(command.name)
    require_small(command.payload, "payload")
    return await _signalled(command.execution_id, command.name, command.payload, on)


async def receive_webhook(command: ReceiveWebhook, on: Tenancy) -> Decided:
    """How the run is, is none of the caller's business."""
    _require_name(command.name)
    require_small(command.request, "body")
    signal_name = webhook_signal(command.name)
    decided = await _signalled(command.execution_id, signal_name, command.request, on)
    told: JsonObject = {"execution_id": str(command.execution_id), "name": command.name}
    return replace(decided, result=told)


async def _signalled(execution_id: UUID, name: str, payload: Json, on: Tenancy) -> Decided:
    scope = SignalExecution.requires
    execution = await load_own_execution(on, execution_id, scope=scope)
    signal(execution, name, payload)
    return await decided_about(execution, on)


def _require_name(name: str) -> None:
    if not is_signal_name(name):
        reason = f"1 to {NAME_CHARACTERS_MAX} letters, digits, `_`, `.` and `-` are expected"
        raise Invalid(errors=[FieldError("path:name", "invalid_name", reason)])
