"""Identity providers: what they let people do, and never what they are told to be believed."""

from domain.identity_providers import IdentityProvider
from tests.projections.histories import a_tenant
from tests.projections.identity_histories import an_identity_provider
from tests.read_api.api import STRANGERS_MAX, Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ identityProviders { edges { node { id name kind issuer clientId allowedDomains defaultRole"
    " groupRoles isDirectory secretReplacedAt createdAt } } } }"
)


async def test_providers_are_listed_until_they_are_removed(api: Api) -> None:
    provider = an_identity_provider(api.tenant_id).happens(IdentityProvider.SecretReplaced)
    removed = an_identity_provider(api.tenant_id).happens(IdentityProvider.Removed)
    await api.happened(provider, removed, an_identity_provider(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["identityProviders"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(provider.stream_id),
                "name": "acme",
                "kind": "oidc",
                "issuer": "https://login.acme.example",
                "clientId": "ledger",
                "allowedDomains": ["acme.example"],
                "defaultRole": "USER",
                "groupRoles": {"platform": "ADMIN"},
                "isDirectory": True,
                "secretReplacedAt": "2026-01-01T00:00:03+00:00",
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]


async def test_a_page_that_asks_where_to_sign_in_is_told_names_and_no_more(api: Api) -> None:
    removed = an_identity_provider(api.tenant_id).happens(IdentityProvider.Removed)
    await api.happened(an_identity_provider(api.tenant_id), removed)
    async with api.client() as stranger:
        del stranger.headers["Authorization"]
        answers = [
            await stranger.get(f"/api/v1/auth/oauth/{tenant_id}/providers")
            for tenant_id in (api.tenant_id, a_tenant(), "x")
        ]
    assert [answer.json()["data"]["providers"] for answer in answers] == [
        [{"name": "acme", "kind": "oidc"}],
        [],
        [],
    ]


async def test_whoever_asks_for_providers_without_end_is_turned_away(api: Api) -> None:
    async with api.client() as stranger:
        codes = [
            (await stranger.get(f"/api/v1/auth/oauth/{api.tenant_id}/providers")).status_code
            for _ in range(STRANGERS_MAX + 1)
        ]
    assert codes == [200] * STRANGERS_MAX + [429]
