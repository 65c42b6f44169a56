"""The people of a tenant."""

from tests.projections.histories import a_tenant, a_user
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = "{ users { edges { node { id email role createdAt } } } }"


async def test_users_are_those_of_ones_own_tenant(api: Api) -> None:
    user = a_user(api.tenant_id)
    await api.happened(user, a_user(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["users"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(user.stream_id),
                "email": "ada@example.com",
                "role": "ADMIN",
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]
