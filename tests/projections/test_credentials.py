"""api_keys."""

from datetime import UTC, datetime

from domain.credentials import ApiKey
from projections.credentials import API_KEYS
from projections.fold import rows_after
from tests.projections.histories import IDS, an_api_key, at


def test_a_key_has_scopes_and_an_end() -> None:
    user_id = IDS.new()
    key = an_api_key(user_id=str(user_id), expires_at="2027-01-01T00:00:00Z")
    assert rows_after(API_KEYS, key.events) == [
        {
            "tenant_id": key.tenant_id,
            "api_key_id": key.stream_id,
            "name": "ci",
            "prefix": "al_ci",
            "scopes": ["agents:read", "workflows:execute"],
            "user_id": user_id,
            "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
            "revoked_at": None,
            "created_at": at(1),
            "version": 1,
        }
    ]


def test_a_revoked_key_says_since_when() -> None:
    (row,) = rows_after(API_KEYS, an_api_key().happens(ApiKey.Revoked).events)
    assert (row["revoked_at"], row["version"]) == (at(2), 2)
