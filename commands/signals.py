"""Signals: named messages to an execution."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.executions import require_small
from domain.errors import FieldError, Invalid
from domain.execution_commands import signal
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import Json
from domain.signals import NAME_CHARACTERS_MAX, is_signal_name


@dataclass(frozen=True, slots=True)
class SignalExecution(Command):
    requires: ClassVar[str] = "executions:signal"

    execution_id: UUID
    name: str
    payload: Json


async def signal_execution(command: SignalExecution, on: Tenancy) -> Decided:
    """Each call is one more message; an idempotency key makes several calls one."""
    if not is_signal_name(command.name):
        reason = f"1 to {NAME_CHARACTERS_MAX} letters, digits, `_`, `.` and `-` are expected"
        raise Invalid(errors=[FieldError("path:name", "invalid_name", reason)])
    require_small(command.payload, "payload")
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    signal(execution, command.name, command.payload)
    return await decided_about(execution, on)
