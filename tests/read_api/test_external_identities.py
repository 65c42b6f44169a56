"""Accounts at providers that people sign in with."""

from domain.external_identities import ExternalIdentity
from tests.projections.histories import IDS, a_tenant
from tests.projections.identity_histories import an_external_identity
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ externalIdentities { edges { node { id userId provider issuer followsGroups linkedAt } } } }"
)


async def test_identities_are_listed_until_they_are_removed(api: Api) -> None:
    user_id = IDS.new()
    identity = an_external_identity(api.tenant_id, user_id=str(user_id))
    removed = an_external_identity(api.tenant_id).happens(ExternalIdentity.Removed)
    await api.happened(identity, removed, an_external_identity(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["externalIdentities"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(identity.stream_id),
                "userId": str(user_id),
                "provider": "acme",
                "issuer": "https://login.acme.example",
                "followsGroups": True,
                "linkedAt": "2026-01-01T00:00:01+00:00",
            }
        ]
