"""The parts of a definition that whoever writes or runs it may not run: refused with the place of
each. What is somebody else's looks like what is not there.

A run asks again when it comes to the part (sagas/run_parts.py), for shares end.
"""

from collections.abc import Sequence
from uuid import UUID

from commands.decisions import Tenancy
from commands.parts_port import Part, Principals
from commands.pinned_definitions import pinned_definition
from domain.errors import FieldError, Invalid
from domain.parts import NamedPart, PartKind
from domain.workflows import Workflow

SCOPES: dict[PartKind, str] = {"agent": "agents:execute", "workflow": "workflows:execute"}


class UnknownParts(Invalid):
    """The definition names agents or workflows that are not there, or not yours to run."""

    code = "unknown_parts"


async def require_parts(
    on: Tenancy, named: Sequence[NamedPart], author_of: UUID | str | None = None
) -> None:
    """author_of: the workflow whose definition names them, when it has an owner already. Raises
    UnknownParts.
    """
    if not named or not on.caller.own_only:
        return
    asked = [Part(one.part_id, SCOPES[one.kind]) for one in named]
    author = None if author_of is None else UUID(str(author_of))
    refused = await on.parts.refused(on.tenant_id, asked, Principals(on.caller.actor, author))
    mistakes = [
        FieldError(f"/definition{one.path}", f"{one.kind}_not_found", _reason(one.kind))
        for one in named
        if one.part_id in refused
        and not (one.kind == "workflow" and await _is_public(on, one.part_id))
    ]
    if mistakes:
        raise UnknownParts(errors=mistakes)


async def require_pinned_parts(
    on: Tenancy, definition_hash: str, workflow_id: UUID | str | None
) -> None:
    """Of what is about to run. Raises UnknownParts."""
    if on.caller.own_only:
        definition = await pinned_definition(on.ports.events, on.tenant_id, definition_hash)
        await require_parts(on, definition.parts, workflow_id)


async def _is_public(on: Tenancy, workflow_id: UUID) -> bool:
    workflow = await on.ports.events.load(Workflow, workflow_id, on.tenant_id)
    if workflow is None:
        return False
    on.keep(workflow)
    return workflow.text.is_public and not workflow.is_deleted


def _reason(kind: PartKind) -> str:
    return f"there is no such {kind} that you own, that is shared with you to run it, or public"
