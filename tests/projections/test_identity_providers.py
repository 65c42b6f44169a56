"""identity_providers."""

from domain.identity_providers import IdentityProvider
from projections.fold import rows_after
from projections.identity_providers import IDENTITY_PROVIDERS
from tests.projections.histories import at
from tests.projections.identity_histories import an_identity_provider


def test_a_provider_says_who_comes_in_and_what_they_get() -> None:
    provider = an_identity_provider().happens(IdentityProvider.SecretReplaced)
    assert rows_after(IDENTITY_PROVIDERS, provider.events) == [
        {
            "tenant_id": provider.tenant_id,
            "identity_provider_id": provider.stream_id,
            "name": "acme",
            "kind": "oidc",
            "issuer": "https://login.acme.example",
            "client_id": "ledger",
            "allowed_domains": ["acme.example"],
            "default_role": "USER",
            "group_roles": '{"platform":"ADMIN"}',
            "is_directory": True,
            "secret_replaced_at": at(3),
            "removed_at": None,
            "created_at": at(1),
            "version": 3,
        }
    ]


def test_a_provider_that_was_removed_is_back_when_it_is_configured_again() -> None:
    provider = an_identity_provider().happens(IdentityProvider.Removed)
    (removed,) = rows_after(IDENTITY_PROVIDERS, provider.events)
    again = an_identity_provider(kind="github", issuer=None).events[1]
    provider.logs(again.topic, again.state)
    (row,) = rows_after(IDENTITY_PROVIDERS, provider.events)
    assert (removed["removed_at"], row["removed_at"]) == (at(3), None)
    assert (row["kind"], row["issuer"], row["version"]) == ("github", None, 4)
