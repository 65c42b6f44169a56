"""Upgrades: an execution goes on in another version of its workflow."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.execution_forks import workflow_version_of
from commands.ownership import load_own_execution
from commands.parts import require_pinned_parts
from commands.pinned_definitions import pinned_definition
from domain.execution_upgrades import upgrade


@dataclass(frozen=True, slots=True)
class UpgradeExecution(Command):
    requires: ClassVar[str] = "executions:write"

    execution_id: UUID
    workflow_version: int


async def upgrade_execution(command: UpgradeExecution, on: Tenancy) -> Decided:
    """The worker that drives it finds the new definition when it takes it up again."""
    execution = await load_own_execution(on, command.execution_id, scope=command.requires)
    version, definition_hash = await workflow_version_of(execution, command.workflow_version, on)
    await require_pinned_parts(on, definition_hash, execution.workflow_id)
    events = on.ports.events
    old = await pinned_definition(events, on.tenant_id, execution.definition_hash)
    new = await pinned_definition(events, on.tenant_id, definition_hash)
    upgrade(execution, old, new, version)
    return await decided_about(
        execution, on, workflow_version=version, definition_hash=definition_hash
    )
