"""Executions: begun from a workflow (or an agent, commands/agents.py) and cancelled. The workers do
the rest.
"""

from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.ownership import load_own_execution, load_runnable_workflow
from commands.parts import require_pinned_parts
from commands.pinned_definitions import pinned_definition
from commands.plan_port import AdmittedExecution
from commands.ports import OpenedExecution, SideRow
from commands.subjects import named_subject
from domain.errors import FieldError, Invalid
from domain.execution_commands import cancel, cancel_and_undo
from domain.execution_parts import text_id
from domain.executions import Execution
from domain.identifiers import Json
from domain.payloads import PayloadRefused, require_payload
from domain.records import record
from domain.subjects import NamedSubject


@dataclass(frozen=True, slots=True)
class ExecuteWorkflow(Command):
    """workflow_version: None runs the newest. data_subject: whose data it works on."""

    requires: ClassVar[str] = "workflows:execute"

    workflow_id: UUID
    input: Json
    workflow_version: int | None = None
    data_subject: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CancelExecution(Command):
    """must_undo: what the run did; when none of it can be undone, it is only cancelled."""

    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    reason: str | None = None
    must_undo: bool = False


@record
class Pinned:
    """What an execution runs, for good: a definition by its hash, and where that came from."""

    definition_hash: str
    workflow_id: str | None = None
    workflow_version: int | None = None
    agent_id: str | None = None


async def execute_workflow(command: ExecuteWorkflow, on: Tenancy) -> Decided:
    workflow = await load_runnable_workflow(on, command.workflow_id, scope=command.requires)
    workflow_version, definition_hash = workflow.definition_hash(command.workflow_version)
    on.keep(workflow)
    await require_pinned_parts(on, definition_hash, command.workflow_id)
    pinned = Pinned(
        definition_hash, workflow_id=str(command.workflow_id), workflow_version=workflow_version
    )
    subject = await named_subject(on, command.data_subject)
    return await begin_execution(on, pinned, command.input, subject=subject)


async def cancel_execution(command: CancelExecution, on: Tenancy) -> Decided:
    """Wins or loses against the worker by the version of the stream, like every append."""
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    if command.must_undo:
        definition = await pinned_definition(
            on.ports.events, on.tenant_id, execution.definition_hash
        )
        cancel_and_undo(execution, definition, command.reason)
    else:
        cancel(execution, command.reason)
    return await decided_about(execution, on)


async def begin_execution(
    on: Tenancy,
    pinned: Pinned,
    given: Json,
    *side_rows: SideRow,
    subject: NamedSubject | None = None,
) -> Decided:
    """given: the input. Raises what Admission raises."""
    require_small(given, "input")
    on.ports.admission.require_admitted(on.tenant_id)
    execution = created_execution(on, pinned, given, subject=subject)
    return Decided(
        result={"execution_id": text_id(execution.roots), "status": execution.status},
        aggregates=(execution,),
        side_rows=(*side_rows, *await rows_of_begun(on, execution)),
    )


async def rows_of_begun(on: Tenancy, execution: Execution) -> tuple[SideRow, ...]:
    """Who is not limited pays nothing for those who are: executions are counted where a plan limits
    them.
    """
    plan = await on.ports.plans.of(on.tenant_id)
    opened = OpenedExecution(execution.id)
    return (opened, AdmittedExecution()) if plan.limits_executions else (opened,)


def created_execution(
    on: Tenancy,
    pinned: Pinned,
    given: Json,
    *,
    forked_from: tuple[UUID, str] | None = None,
    subject: NamedSubject | None = None,
) -> Execution:
    """forked_from: a run and its node."""
    return on.begin(
        Execution,
        on.ports.ids.new(),
        workflow_id=pinned.workflow_id,
        workflow_version=pinned.workflow_version,
        agent_id=pinned.agent_id,
        definition_hash=pinned.definition_hash,
        input=given,
        created_by=on.caller.actor,
        parent_id=None,
        parent_path=None,
        depth=0,
        forked_from_id=None if forked_from is None else str(forked_from[0]),
        forked_from_node=None if forked_from is None else forked_from[1],
        subject_id=None if subject is None else str(subject.subject_id),
        data_subject=None if subject is None else subject.name,
    )


def require_small(value: Json, member: str) -> None:
    """Whether it may enter a run. member: of the body. Raises Invalid."""
    try:
        require_payload(value, member)
    except PayloadRefused as refusal:
        mistake = FieldError(f"/{member}", refusal.code, refusal.message)
        raise Invalid(errors=[mistake]) from None
