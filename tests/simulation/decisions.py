"""What people decide about a run, as commands through the real dispatcher."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import family_of, rows_of
from domain import execution_commands as decide
from domain.definitions import Definition, parse_definition
from domain.execution_commands import Decision, Resolution
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import Json


@dataclass(frozen=True, slots=True)
class CancelAndUndo(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class PauseExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class ResumeExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class RetryExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class CompensateExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class ResolveExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    node_id: str
    outcome: Resolution


@dataclass(frozen=True, slots=True)
class SignalExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    name: str
    payload: Json


@dataclass(frozen=True, slots=True)
class DecideApproval(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    path: str
    decision: Decision


async def _decided(command: Any, on: Tenancy) -> Decided:
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    await _decide(command, execution, on)
    family = await family_of(execution, on.tenant_id, on.ports.events)
    return Decided(
        result={"execution_id": str(execution.id), "status": execution.status},
        aggregates=(execution, *family.executions),
        side_rows=(*rows_of(execution), *family.side_rows),
    )


async def _decide(command: Command, execution: Execution, on: Tenancy) -> None:
    match command:
        case CancelAndUndo():
            decide.cancel_and_undo(execution, await _definition_of(execution, on), None)
        case PauseExecution():
            decide.pause(execution)
        case ResumeExecution():
            decide.resume(execution)
        case RetryExecution():
            decide.retry(execution, await _definition_of(execution, on))
        case CompensateExecution():
            decide.compensate(execution, await _definition_of(execution, on))
        case ResolveExecution():
            decide.resolve(execution, command.node_id, command.outcome, None)
        case SignalExecution():
            decide.signal(execution, command.name, command.payload)
        case DecideApproval():
            decide.awaited_approval(execution, command.path, frozenset())
            decide.decide_approval(
                execution,
                command.path,
                command.decision,
                comment=None,
                edits=None,
                decided_by=on.caller.actor,
            )
        case _:
            raise AssertionError(command)


async def _definition_of(execution: Execution, on: Tenancy) -> Definition:
    stored = await on.ports.events.definition(on.tenant_id, execution.definition_hash)
    return parse_definition(stored)


HANDLERS: Mapping[type[Command], Callable[[Any, Tenancy], Awaitable[Decided]]] = dict.fromkeys(
    [
        CancelAndUndo,
        PauseExecution,
        ResumeExecution,
        RetryExecution,
        CompensateExecution,
        ResolveExecution,
        SignalExecution,
        DecideApproval,
    ],
    _decided,
)
