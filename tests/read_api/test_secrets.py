"""Secrets are listed by name; those of another person are not there."""

from dataclasses import replace

from domain.secrets import Secret
from tests.projections.histories import IDS, a_secret, a_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ secrets { edges { node { id name scope allowedHosts version createdAt updatedAt lastUsedAt"
    " } } } }"
)
NAMES = "{ secrets { edges { node { name scope } } } }"


async def named(api: Api, query: str = NAMES) -> list[tuple[str, str]]:
    edges = (await api.read(query))["secrets"]["edges"]
    return sorted((edge["node"]["name"], edge["node"]["scope"]) for edge in edges)


async def test_a_secret_is_listed_with_everything_but_its_value(api: Api) -> None:
    secret = a_secret(api.tenant_id)
    await api.happened(secret, a_secret(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["secrets"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(secret.stream_id),
                "name": "github",
                "scope": "tenant",
                "allowedHosts": ["https://api.github.com:443"],
                "version": 1,
                "createdAt": "2026-01-01T00:00:01+00:00",
                "updatedAt": "2026-01-01T00:00:02+00:00",
                "lastUsedAt": None,
            }
        ]


async def test_a_person_sees_their_own_and_the_tenants_and_nobody_elses(api: Api) -> None:
    ada, bob = IDS.new(), IDS.new()
    await api.happened(
        a_secret(api.tenant_id, name="shared"),
        a_secret(api.tenant_id, name="adas", user_id=str(ada)),
        a_secret(api.tenant_id, name="bobs", user_id=str(bob)),
    )
    assert await named(api) == [("shared", "tenant")]
    caller = api.callers.known[KEY]
    api.callers.known[KEY] = replace(caller, user_id=ada)
    for query in (NAMES, by_resolvers(NAMES)):
        assert await named(api, query) == [("adas", "user"), ("shared", "tenant")]


async def test_a_removed_secret_is_not_listed(api: Api) -> None:
    await api.happened(a_secret(api.tenant_id).happens(Secret.Removed))
    assert await named(api) == []
