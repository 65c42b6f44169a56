"""The people of a tenant."""

from uuid import UUID

from commands.authorization import Caller
from tests.projections.histories import a_tenant, a_user
from tests.read_api.api import KEY, Api
from tests.read_api.queries import by_resolvers

QUERY = "{ users { edges { node { id email name role status invitedUntil createdAt } } } }"


async def test_users_are_those_of_ones_own_tenant(api: Api) -> None:
    user = a_user(api.tenant_id)
    await api.happened(user, a_user(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["users"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(user.stream_id),
                "email": "ada@example.com",
                "name": "Ada",
                "role": "ADMIN",
                "status": "ACTIVE",
                "invitedUntil": None,
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]


async def test_one_user_is_found_by_id_in_ones_own_tenant(api: Api) -> None:
    ours, theirs = a_user(api.tenant_id), a_user(a_tenant())
    await api.happened(ours, theirs)
    query = "query($id: ID!) { user(id: $id) { email } }"
    for text in (query, by_resolvers(query)):
        assert await api.read(text, id=str(ours.stream_id)) == {
            "user": {"email": "ada@example.com"}
        }
        assert await api.read(text, id=str(theirs.stream_id)) == {"user": None}


async def test_whoever_asks_is_told_who_they_are_and_what_they_may_do(api: Api) -> None:
    user_id = UUID(int=7)
    api.callers.known[KEY] = Caller(
        f"user:{user_id}",
        api.tenant_id,
        frozenset({"read", "audit:read"}),
        user_id,
        own_only=frozenset({"read"}),
    )
    assert await api.read("{ me { actor userId scopes } }") == {
        "me": {
            "actor": f"user:{user_id}",
            "userId": str(user_id),
            "scopes": ["audit:read", "read:own"],
        }
    }
