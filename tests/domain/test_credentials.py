"""An API key is revoked once, and its secret is never part of its history."""

from uuid import UUID

from domain.credentials import ApiKey, ApiKeyRevoked
from tests.domain.given import Act, Story, given, raises

UNTIL = "2026-11-28T13:00:00+00:00"
API_KEY_ID = UUID("01890000-0000-7000-8000-0000000000cc")


def an_api_key() -> Story[ApiKey]:
    return Story(
        ApiKey(
            id=API_KEY_ID,
            name="reporting",
            prefix="al_abc",
            scopes=["read"],
            user_id=None,
            expires_at=None,
        )
    )


def revoke() -> Act:
    return lambda story: story.aggregate.revoke()


def rotate(prefix: str = "al_new") -> Act:
    return lambda story: story.aggregate.rotate(prefix=prefix, previous_until=UNTIL)


def restrict(*networks: str) -> Act:
    return lambda story: story.aggregate.restrict_addresses(networks)


def test_a_key_is_revoked() -> None:
    story = given(an_api_key()).when(revoke()).then(("api_key.revoked", {}))
    assert story.aggregate.is_revoked


def test_revoking_twice_is_once() -> None:
    given(an_api_key(), revoke()).when(revoke()).then()


def test_a_rotated_key_goes_by_another_prefix() -> None:
    fact = ("api_key.rotated", {"prefix": "al_new", "previous_until": UNTIL})
    story = given(an_api_key()).when(rotate()).then(fact)
    assert story.aggregate.prefix == "al_new"


def test_a_key_is_restricted_to_networks_and_let_loose_again() -> None:
    fact = ("api_key.addresses_restricted", {"allowed_addresses": ["192.0.2.0/24"]})
    given(an_api_key()).when(restrict("192.0.2.0/24")).then(fact)
    fact = ("api_key.addresses_restricted", {"allowed_addresses": []})
    given(an_api_key(), restrict("192.0.2.0/24")).when(restrict()).then(fact)


def test_the_same_networks_again_are_no_change() -> None:
    given(an_api_key()).when(restrict()).then()
    given(an_api_key(), restrict("192.0.2.0/24")).when(restrict("192.0.2.0/24")).then()


def test_a_revoked_key_is_neither_rotated_nor_restricted() -> None:
    given(an_api_key(), revoke()).when(raises(ApiKeyRevoked, rotate())).then()
    given(an_api_key(), revoke()).when(raises(ApiKeyRevoked, restrict("192.0.2.0/24"))).then()
