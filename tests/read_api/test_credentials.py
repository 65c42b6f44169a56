"""API keys: what tells them apart, and nothing that opens a door."""

from domain.credentials import ApiKey
from tests.projections.histories import a_rotated_key, a_tenant, an_api_key
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = """{ apiKeys { edges { node {
    id name prefix scopes userId expiresAt allowedAddresses lastUsedAt rotatedAt previousUntil
    revokedAt createdAt
} } } }"""


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
                "allowedAddresses": [],
                "lastUsedAt": None,
                "rotatedAt": None,
                "previousUntil": None,
                "revokedAt": "2026-01-01T00:00:02+00:00",
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]


async def test_a_key_says_when_it_was_rotated_and_last_used(api: Api) -> None:
    key, foreign = a_rotated_key(api.tenant_id), an_api_key(a_tenant())
    await api.happened(key, foreign)
    await api.ledger.owner.execute(
        "INSERT INTO agentledger.api_key_uses VALUES (%s, %s, '2026-02-01T10:30Z')",
        (key.tenant_id, key.stream_id),
    )
    query = "{ apiKeys { edges { node { prefix allowedAddresses lastUsedAt rotatedAt } } } }"
    for asked in (query, by_resolvers(query)):
        edges = (await api.read(asked))["apiKeys"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "prefix": "al_new",
                "allowedAddresses": ["192.0.2.0/24"],
                "lastUsedAt": "2026-02-01T10:30:00+00:00",
                "rotatedAt": "2026-01-01T00:00:03+00:00",
            }
        ]
