"""What people decide about an execution that is under way or over: pause, resume, retry, undo,
resolve. (Cancelling is in commands/executions.py.)
"""

from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.executions import require_small
from commands.ownership import load_own_execution, require_still_runnable
from commands.pinned_definitions import pinned_definition
from commands.plan_port import ReopenedExecution
from domain.definitions import Definition
from domain.execution_commands import Resolution, compensate, pause, resolve, resume, retry
from domain.executions import Execution
from domain.identifiers import Json


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
    """Go on from the nodes that failed. Raises what Admission raises."""

    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class CompensateExecution(Command):
    """Undo what an ended run did."""

    requires: ClassVar[str] = "executions:write"

    execution_id: UUID


@dataclass(frozen=True, slots=True)
class ResolveExecution(Command):
    """Say what a node did of which nobody knows. node_id: its path in the run."""

    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    node_id: str
    outcome: Resolution
    output: Json = None


async def pause_execution(command: PauseExecution, on: Tenancy) -> Decided:
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    pause(execution)
    return await decided_about(execution, on)


async def resume_execution(command: ResumeExecution, on: Tenancy) -> Decided:
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    resume(execution)
    return await decided_about(execution, on)


async def retry_execution(command: RetryExecution, on: Tenancy) -> Decided:
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    await require_still_runnable(on, execution, scope=command.requires)
    retry(execution, await _definition_of(execution, on))
    on.ports.admission.require_admitted(on.tenant_id)
    decided = await decided_about(execution, on)
    if not (await on.ports.plans.of(on.tenant_id)).limits_executions:
        return decided
    return replace(decided, side_rows=(*decided.side_rows, ReopenedExecution()))


async def compensate_execution(command: CompensateExecution, on: Tenancy) -> Decided:
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    compensate(execution, await _definition_of(execution, on))
    return await decided_about(execution, on)


async def resolve_execution(command: ResolveExecution, on: Tenancy) -> Decided:
    require_small(command.output, "output")
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    resolve(execution, command.node_id, command.outcome, command.output)
    return await decided_about(execution, on)


async def _definition_of(execution: Execution, on: Tenancy) -> Definition:
    return await pinned_definition(on.ports.events, on.tenant_id, execution.definition_hash)
