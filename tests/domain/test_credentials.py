"""An API key is revoked once, and its secret is never part of its history."""

from uuid import UUID

from domain.credentials import ApiKey
from tests.domain.given import Act, Story, given

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


def test_a_key_is_revoked() -> None:
    story = given(an_api_key()).when(revoke()).then(("api_key.revoked", {}))
    assert story.aggregate.is_revoked


def test_revoking_twice_is_once() -> None:
    given(an_api_key(), revoke()).when(revoke()).then()
