"""roles."""

from projections.fold import rows_after
from projections.roles import ROLES
from tests.projections.histories import a_role, at


def test_a_role_is_as_it_was_changed_last() -> None:
    role = a_role()
    assert rows_after(ROLES, role.events) == [
        {
            "tenant_id": role.tenant_id,
            "role_id": role.stream_id,
            "name": "Auditor",
            "permissions": ["read"],
            "is_deleted": False,
            "created_at": at(1),
            "version": 1,
        }
    ]
    role.happens(ROLES.events[1], name="Reader", permissions=["audit:read", "read"])
    (row,) = rows_after(ROLES, role.happens(ROLES.events[2]).events)
    assert (row["name"], row["permissions"], row["is_deleted"]) == (
        "Reader",
        ["audit:read", "read"],
        True,
    )
