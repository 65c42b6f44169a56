"""external_identities."""

from domain.external_identities import ExternalIdentity
from projections.external_identities import EXTERNAL_IDENTITIES
from projections.fold import rows_after
from tests.projections.histories import IDS, at
from tests.projections.identity_histories import an_external_identity


def test_an_identity_says_whose_it_is_and_since_when() -> None:
    user_id = IDS.new()
    identity = an_external_identity(user_id=str(user_id))
    assert rows_after(EXTERNAL_IDENTITIES, identity.events) == [
        {
            "tenant_id": identity.tenant_id,
            "external_identity_id": identity.stream_id,
            "user_id": user_id,
            "provider": "acme",
            "issuer": "https://login.acme.example",
            "follows_groups": True,
            "linked_at": at(1),
            "removed_at": None,
            "version": 1,
        }
    ]


def test_an_identity_that_was_removed_may_become_somebody_elses() -> None:
    identity = an_external_identity().happens(ExternalIdentity.Removed)
    (removed,) = rows_after(EXTERNAL_IDENTITIES, identity.events)
    user_id = IDS.new()
    identity.happens(ExternalIdentity.Linked, provider="new", user_id=str(user_id))
    (row,) = rows_after(EXTERNAL_IDENTITIES, identity.events)
    assert removed["removed_at"] == at(2)
    assert (row["user_id"], row["provider"], row["follows_groups"]) == (user_id, "new", False)
    assert (row["linked_at"], row["removed_at"], row["version"]) == (at(3), None, 3)
