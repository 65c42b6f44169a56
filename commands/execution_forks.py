"""Forks: a new execution that goes on from a node of another one."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.executions import Pinned, created_execution, require_small, rows_of_begun
from commands.ownership import (
    load_own_execution,
    load_runnable_workflow,
    require_still_runnable,
)
from commands.parts import require_pinned_parts
from commands.pinned_definitions import pinned_definition
from domain.definition_graph import START
from domain.errors import FieldError, Invalid
from domain.execution_commands import require_payloads
from domain.execution_forks import NodeCopy, plan_fork
from domain.executions import Execution
from domain.identifiers import Json
from domain.subjects import NamedSubject


@dataclass(frozen=True, slots=True)
class ForkExecution(Command):
    """input: of the fork, if has_input; else that of the original.

    workflow_version: None runs what the original ran, even if its workflow was deleted since.
    """

    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    from_node: str
    input: Json = None
    has_input: bool = False
    workflow_version: int | None = None


async def fork_execution(command: ForkExecution, on: Tenancy) -> Decided:
    """The original is only looked at, and may still run. Raises what Admission raises."""
    require_small(command.input, "input")
    original = await load_own_execution(on, command.execution_id, scope=command.requires)
    require_payloads(original)
    pinned = await _pinned(command, original, on)
    await require_pinned_parts(on, pinned.definition_hash, pinned.workflow_id)
    events = on.ports.events
    definition = await pinned_definition(events, on.tenant_id, original.definition_hash)
    target = await pinned_definition(events, on.tenant_id, pinned.definition_hash)
    copies = plan_fork(original, definition, target, command.from_node)
    on.ports.admission.require_admitted(on.tenant_id)
    given = command.input if command.has_input else original.input
    subject = None
    if original.subject_id is not None:
        subject = NamedSubject(original.subject_id, original.data_subject or "")
    fork = created_execution(
        on, pinned, given, forked_from=(original.id, command.from_node), subject=subject
    )
    for copy in copies:
        _copy(fork, copy)
    on.keep(original)
    return Decided(
        result={"execution_id": str(fork.id), "status": fork.status},
        aggregates=(fork,),
        side_rows=await rows_of_begun(on, fork),
    )


async def _pinned(command: ForkExecution, original: Execution, on: Tenancy) -> Pinned:
    if command.workflow_version is None:
        await require_still_runnable(on, original, scope=command.requires)
        return Pinned(
            original.definition_hash,
            workflow_id=original.workflow_id,
            workflow_version=original.workflow_version,
            agent_id=original.agent_id,
        )
    version, definition_hash = await workflow_version_of(original, command.workflow_version, on)
    return Pinned(definition_hash, workflow_id=original.workflow_id, workflow_version=version)


async def workflow_version_of(
    execution: Execution, workflow_version: int, on: Tenancy
) -> tuple[int, str]:
    """(version, hash) of another version of what it runs. Raises Invalid for a run of an agent."""
    if execution.workflow_id is None:
        reason = "this execution runs no workflow, so there are no versions of it"
        raise Invalid(errors=[FieldError("/version", "no_workflow", reason)])
    workflow = await load_runnable_workflow(
        on, UUID(execution.workflow_id), scope="executions:write"
    )
    found = workflow.definition_hash(workflow_version)
    on.keep(workflow)
    return found


def _copy(fork: Execution, copy: NodeCopy) -> None:
    path, node_type, output, ports = copy
    fork.trigger_event(
        Execution.NodeCopied,
        path=path,
        node_type=node_type,
        output=fork.input if node_type == START else output,
        ports=list(ports),
    )
