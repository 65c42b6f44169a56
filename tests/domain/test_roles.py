"""Roles of a tenant's own making."""

from uuid import UUID

import pytest

from domain.roles import Role, RoleNotFound


def auditor() -> Role:
    return Role(id=UUID(int=1), name="Auditor", permissions=["read"])


def test_a_role_is_changed_when_something_is_different() -> None:
    role = auditor()
    role.change("Auditor", ["read"])
    role.change("Auditor", ["agents:write", "read"])
    assert role.permissions == ["agents:write", "read"]
    assert [type(event).__name__ for event in role.collect_events()] == ["Created", "Changed"]


def test_a_deleted_role_is_gone() -> None:
    role = auditor()
    role.delete()
    for late in (role.delete, lambda: role.change("Reader", ["read"])):
        with pytest.raises(RoleNotFound):
            late()
