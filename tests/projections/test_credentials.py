"""api_keys."""

from datetime import UTC, datetime

from domain.credentials import ApiKey
from projections.credentials import API_KEYS
from projections.fold import rows_after
from tests.projections.histories import IDS, a_rotated_key, an_api_key, at


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
            "allowed_addresses": [],
            "rotated_at": None,
            "previous_until": None,
            "revoked_at": None,
            "created_at": at(1),
            "version": 1,
        }
    ]


def test_a_revoked_key_says_since_when() -> None:
    (row,) = rows_after(API_KEYS, an_api_key().happens(ApiKey.Revoked).events)
    assert (row["revoked_at"], row["version"]) == (at(2), 2)


def test_a_rotated_key_says_since_when_and_until_when_the_old_secret_holds() -> None:
    (row,) = rows_after(API_KEYS, a_rotated_key().events)
    assert (row["prefix"], row["allowed_addresses"]) == ("al_new", ["192.0.2.0/24"])
    assert (row["rotated_at"], row["version"]) == (at(3), 4)
    assert row["scopes"] == ["agents:write", "read"]
    assert row["previous_until"] == datetime(2026, 6, 1, tzinfo=UTC)
