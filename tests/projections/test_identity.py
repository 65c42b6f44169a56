"""users."""

from datetime import UTC, datetime

from domain.identity import User
from projections.fold import rows_after
from projections.identity import USERS
from tests.projections.histories import a_user, at


def test_a_user_has_a_role_and_no_password() -> None:
    user = a_user()
    assert rows_after(USERS, user.events) == [
        {
            "tenant_id": user.tenant_id,
            "user_id": user.stream_id,
            "email": "ada@example.com",
            "name": "Ada",
            "role": "ADMIN",
            "status": "ACTIVE",
            "invited_until": None,
            "created_at": at(1),
            "erased_at": None,
            "version": 1,
        }
    ]


def test_a_row_says_how_somebody_stands() -> None:
    user = a_user()
    steps = [
        (User.Invited, {"expires_at": "2026-02-01T00:00:00+00:00"}, "INVITED"),
        (User.Accepted, {}, "ACTIVE"),
        (User.RoleChanged, {"role": "VIEWER"}, "ACTIVE"),
        (User.ProfileChanged, {"name": "Ada King"}, "ACTIVE"),
        (User.Deactivated, {}, "DEACTIVATED"),
        (User.Reactivated, {}, "ACTIVE"),
    ]
    for event, fields, status in steps:
        (row,) = rows_after(USERS, user.happens(event, **fields).events)
        until = datetime(2026, 2, 1, tzinfo=UTC) if status == "INVITED" else None
        assert (row["status"], row["invited_until"]) == (status, until)
    assert (row["role"], row["name"], row["version"]) == ("VIEWER", "Ada King", 7)
