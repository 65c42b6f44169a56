"""Providers are listed without their keys; those of another person are not there."""

from dataclasses import replace

from domain.providers import Provider
from tests.projections.histories import IDS, a_provider, a_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ providers { edges { node { id name scope kind apiBase models hasKey keyFrom version"
    " createdAt updatedAt lastUsedAt } } } }"
)
NAMES = "{ providers { edges { node { name } } } }"


async def test_a_provider_is_listed_with_everything_but_its_key(api: Api) -> None:
    provider = a_provider(api.tenant_id)
    removed = a_provider(api.tenant_id).happens(Provider.Removed)
    await api.happened(provider, removed, a_provider(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["providers"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(provider.stream_id),
                "name": "ours",
                "scope": "tenant",
                "kind": "openai_compatible",
                "apiBase": "https://models.example.com/v1",
                "models": ["llama-4"],
                "hasKey": True,
                "keyFrom": "models-key",
                "version": 1,
                "createdAt": "2026-01-01T00:00:01+00:00",
                "updatedAt": "2026-01-01T00:00:02+00:00",
                "lastUsedAt": None,
            }
        ]


async def test_a_persons_own_are_seen_by_them_alone(api: Api) -> None:
    ada = IDS.new()
    await api.happened(a_provider(api.tenant_id, name="adas", user_id=str(ada)))
    assert (await api.read(NAMES))["providers"]["edges"] == []
    api.callers.known[KEY] = replace(api.callers.known[KEY], user_id=ada)
    edges = (await api.read(NAMES))["providers"]["edges"]
    assert [edge["node"]["name"] for edge in edges] == ["adas"]
