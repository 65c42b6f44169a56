"""secrets."""

from domain.secrets import Secret
from projections.fold import rows_after
from projections.secrets import SECRETS
from tests.projections.histories import IDS, a_secret, at

HOSTS = ["https://api.github.com:443"]


def test_a_secret_says_whose_it_is_and_where_it_may_go() -> None:
    user_id = IDS.new()
    secret = a_secret(user_id=str(user_id))
    assert rows_after(SECRETS, secret.events) == [
        {
            "tenant_id": secret.tenant_id,
            "secret_id": secret.stream_id,
            "name": "github",
            "user_id": user_id,
            "value_version": 1,
            "allowed_hosts": HOSTS,
            "is_removed": False,
            "created_at": at(1),
            "updated_at": at(2),
            "version": 2,
        }
    ]


def test_a_removed_secret_comes_back_with_its_next_value() -> None:
    secret = a_secret().happens(Secret.Removed)
    (row,) = rows_after(SECRETS, secret.events)
    assert (row["is_removed"], row["updated_at"], row["version"]) == (True, at(3), 3)
    back = secret.happens(Secret.Stored, value_version=2, allowed_hosts=[])
    (row,) = rows_after(SECRETS, back.events)
    assert (row["is_removed"], row["value_version"], row["allowed_hosts"]) == (False, 2, [])
