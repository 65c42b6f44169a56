"""Approvals: a person decides what an execution waits for."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.authorization import Caller
from commands.decisions import Command, Decided, Tenancy
from commands.execution_families import decided_about
from commands.executions import require_small
from commands.ownership import is_own_execution
from domain import execution_commands
from domain.execution_commands import Decision, awaited_approval, is_assigned
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import Json


@dataclass(frozen=True, slots=True)
class DecideApproval(Command):
    """path: of the node that waits, such as `ok`, or `map[3]/ok` inside a body."""

    requires: ClassVar[str] = "approvals:decide"

    execution_id: UUID
    path: str
    decision: Decision
    comment: str | None = None
    edits: Json = None


async def decide_approval(command: DecideApproval, on: Tenancy) -> Decided:
    require_small(command.edits, "edits")
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    names = _names_of(on.caller)
    is_own = await is_own_execution(on, execution, scope=command.requires)
    if not is_own and not is_assigned(execution, command.path, names):
        raise ExecutionNotFound
    form = awaited_approval(execution, command.path, names)
    if command.edits is not None:
        from domain.approvals import require_form  # Brings jsonschema, which few need.

        require_form(form, command.edits)
    execution_commands.decide_approval(
        execution,
        command.path,
        command.decision,
        comment=command.comment,
        edits=command.edits,
        decided_by=on.caller.actor,
    )
    return await decided_about(execution, on)


def _names_of(caller: Caller) -> frozenset[str]:
    """By which somebody may have been asked: a key acts for the person who made it."""
    person = () if caller.user_id is None else (f"user:{caller.user_id}",)
    return frozenset({caller.actor, *person})
