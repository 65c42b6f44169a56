"""Roles of a tenant's own making: permissions under a name. Who has one may at once do what it says
now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import TypedDict

from commands.authorization import PERMISSIONS, grants_of, require_grants_held
from commands.decisions import Command, Decided, Tenancy, require_version
from commands.identity_port import RemovedRole, StoredRole
from domain.errors import FieldError, Invalid, Refused
from domain.identifiers import Json
from domain.roles import Role, RoleNotFound


class RoleInUse(Refused):
    """Somebody has this role; give them another one first."""

    code = "role_in_use"


@dataclass(frozen=True, slots=True)
class CreateRole(Command):
    requires: ClassVar[str] = "roles:write"

    name: str
    permissions: Sequence[str]


class RoleChanges(TypedDict, total=False):
    name: str
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangeRole(Command):
    requires: ClassVar[str] = "roles:write"

    role_id: UUID
    changes: RoleChanges
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteRole(Command):
    requires: ClassVar[str] = "roles:write"

    role_id: UUID
    expected_version: int | None = None


async def create_role(command: CreateRole, on: Tenancy) -> Decided:
    permissions = _held(command.permissions, on)
    role = on.begin(
        Role, on.ports.ids.new(), name=command.name, permissions=list[Json](permissions)
    )
    return _decided(role, StoredRole(role.id, permissions))


async def change_role(command: ChangeRole, on: Tenancy) -> Decided:
    """Raises ScopeNotHeld also for what the role lets others do already."""
    role = await on.load(Role, command.role_id, RoleNotFound)
    require_version(role, command.expected_version)
    _held(role.permissions, on)
    permissions = _held(command.changes.get("permissions", role.permissions), on)
    role.change(command.changes.get("name", role.name), permissions)
    return _decided(role, StoredRole(role.id, permissions))


async def delete_role(command: DeleteRole, on: Tenancy) -> Decided:
    """Whoever is given the role at this very moment may then do nothing."""
    role = await on.load(Role, command.role_id, RoleNotFound)
    require_version(role, command.expected_version)
    role.require_present()
    if await on.users.count_with_role(on.tenant_id, str(role.id)):
        raise RoleInUse
    role.delete()
    result: dict[str, Json] = {"role_id": str(role.id), "is_deleted": True}
    return Decided(result, aggregates=(role,), side_rows=(RemovedRole(role.id),))


def _held(permissions: Sequence[str], on: Tenancy) -> list[str]:
    """In order, each once. Raises Invalid for what is no permission, and ScopeNotHeld."""
    unknown = [
        FieldError(f"/permissions/{place}", "unknown_permission", f"there is no {name}")
        for place, name in enumerate(permissions)
        if name not in PERMISSIONS
    ]
    if unknown:
        raise Invalid(errors=unknown)
    require_grants_held(on.caller, grants_of(permissions))
    return sorted(set(permissions))


def _decided(role: Role, row: StoredRole) -> Decided:
    result: dict[str, Json] = {
        "role_id": str(role.id),
        "name": role.name,
        "permissions": list[Json](role.permissions),
        "version": role.version,
    }
    if not role.pending_events:
        return Decided(result, aggregates=())
    return Decided(result, aggregates=(role,), side_rows=(row,))
