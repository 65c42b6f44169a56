"""Executions: begun from a workflow (or an agent, commands/agents.py) and cancelled. The workers do
the rest.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import orjson

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import family_of, rows_of
from commands.ports import OpenedExecution, SideRow
from domain.errors import FieldError, Invalid
from domain.execution_commands import cancel
from domain.executions import NO_ORIGIN, Execution, ExecutionNotFound
from domain.identifiers import Json
from domain.payloads import INLINE_BYTES_MAX
from domain.workflows import Workflow, WorkflowNotFound


@dataclass(frozen=True, slots=True)
class ExecuteWorkflow(Command):
    """workflow_version: None runs the newest."""

    requires: ClassVar[str] = "workflows:execute"

    workflow_id: UUID
    input: Json
    workflow_version: int | None = None


@dataclass(frozen=True, slots=True)
class CancelExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Pinned:
    """What an execution runs, for good: a definition by its hash, and where that came from."""

    definition_hash: str
    workflow_id: str | None = None
    workflow_version: int | None = None
    agent_id: str | None = None


async def execute_workflow(command: ExecuteWorkflow, on: Tenancy) -> Decided:
    workflow = await on.load(Workflow, command.workflow_id, WorkflowNotFound)
    workflow_version, definition_hash = workflow.definition_hash(command.workflow_version)
    on.keep(workflow)
    pinned = Pinned(
        definition_hash, workflow_id=str(command.workflow_id), workflow_version=workflow_version
    )
    return begin_execution(on, pinned, command.input)


async def cancel_execution(command: CancelExecution, on: Tenancy) -> Decided:
    """Wins or loses against the worker by the version of the stream, like every append."""
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    cancel(execution, command.reason)
    family = await family_of(execution, on.tenant_id, on.ports.events)
    return Decided(
        result={"execution_id": str(execution.id), "status": execution.status},
        aggregates=(execution, *family.executions),
        side_rows=(*rows_of(execution), *family.side_rows),
    )


def begin_execution(on: Tenancy, pinned: Pinned, given: Json, *side_rows: SideRow) -> Decided:
    """given: the input, at most 64 KiB, for it lies in the event. Raises what Admission raises."""
    if len(orjson.dumps(given)) > INLINE_BYTES_MAX:
        reason = f"the input is larger than {INLINE_BYTES_MAX} bytes"
        raise Invalid(errors=[FieldError("/input", "payload_too_large", reason)])
    on.ports.admission.require_admitted(on.tenant_id)
    execution = on.begin(
        Execution,
        on.ports.ids.new(),
        workflow_id=pinned.workflow_id,
        workflow_version=pinned.workflow_version,
        agent_id=pinned.agent_id,
        definition_hash=pinned.definition_hash,
        input=given,
        created_by=on.caller.actor,
        **NO_ORIGIN,
    )
    return Decided(
        result={"execution_id": str(execution.id), "status": execution.status},
        aggregates=(execution,),
        side_rows=(*side_rows, OpenedExecution(execution.id)),
    )
