"""API keys: what tells them apart, and nothing that opens a door."""

from domain.credentials import ApiKey
from tests.projections.histories import a_tenant, an_api_key
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ apiKeys { edges { node { id name prefix scopes userId expiresAt revokedAt createdAt } } } }"
)


async def test_keys_are_listed_with_their_scopes_and_their_end(api: Api) -> None:
    key = an_api_key(api.tenant_id, expires_at="2027-01-01T00:00:00Z").happens(ApiKey.Revoked)
    await api.happened(key, an_api_key(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["apiKeys"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(key.stream_id),
                "name": "ci",
                "prefix": "al_ci",
                "scopes": ["agents:read", "workflows:execute"],
                "userId": None,
                "expiresAt": "2027-01-01T00:00:00+00:00",
                "revokedAt": "2026-01-01T00:00:02+00:00",
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]
