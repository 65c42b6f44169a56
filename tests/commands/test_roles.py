"""Roles of a tenant's own making: of permissions that exist and that their maker holds."""

from uuid import UUID

import pytest

from commands.authorization import Caller, ScopeNotHeld
from commands.identity import InviteUser
from commands.roles import ChangeRole, CreateRole, DeleteRole, RoleInUse
from domain.errors import Invalid
from domain.roles import RoleNotFound
from tests.commands.fakes import World


async def test_a_role_is_made_changed_and_deleted() -> None:
    world = World()
    made = await world.when(CreateRole("Auditor", ["read", "audit:read", "read"]))
    assert made.result["permissions"] == ["audit:read", "read"]
    role_id = UUID(str(made.result["role_id"]))
    await world.when(ChangeRole(role_id, {"permissions": ["workflows:execute:own"]}))
    await world.when(DeleteRole(role_id))
    assert world.store.topics == ["role.created", "role.changed", "role.deleted"]
    with pytest.raises(RoleNotFound):
        await world.when(DeleteRole(role_id))


async def test_a_permission_that_does_not_exist_is_named_by_its_place() -> None:
    world = World()
    for unknown in ("*", "tenants:create", "retention:write:own", "everything"):
        with pytest.raises(Invalid) as refusal:
            await world.when(CreateRole("r", ["read", unknown]))
        assert [error.path for error in refusal.value.errors] == ["/permissions/1"]


async def test_nobody_makes_a_role_of_what_they_do_not_hold() -> None:
    world = World()
    scopes = frozenset({"roles:write", "read", "agents:write"})
    own = frozenset({"agents:write"})
    clerk = Caller("user:clerk", world.tenant_id, scopes, world.ids.new(), own_only=own)
    await world.when(CreateRole("r", ["read:own", "agents:write:own"]), caller=clerk)
    for further in ("agents:write", "workflows:write:own"):
        with pytest.raises(ScopeNotHeld):
            await world.when(CreateRole("r", [further]), caller=clerk)
    strong = await world.when(CreateRole("strong", ["workflows:write"]))
    weaker = ChangeRole(UUID(str(strong.result["role_id"])), {"permissions": ["read"]})
    with pytest.raises(ScopeNotHeld):
        await world.when(weaker, caller=clerk)


async def test_a_role_that_somebody_has_is_not_deleted() -> None:
    world = World()
    role = await world.when(CreateRole("Auditor", ["read"]))
    role_id = str(role.result["role_id"])
    await world.when(InviteUser("grace@example.com", role_id))
    with pytest.raises(RoleInUse):
        await world.when(DeleteRole(UUID(role_id)))
