"""users."""

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
            "role": "ADMIN",
            "created_at": at(1),
            "version": 1,
        }
    ]
