"""Agents: the newest version of each, and all of them by version."""

from domain.agents import Agent
from tests.projections.histories import PROFILE, a_tenant, an_agent
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

FIELDS = (
    "id name role model instructions tools parameters version isDeleted createdAt updatedAt"
    " createdBy"
)
ONE = f"query($id: ID!) {{ agent(id: $id) {{ {FIELDS} versions {{ version instructions }} }} }}"


async def test_an_agent_is_read_with_all_its_versions(api: Api) -> None:
    revised = {**PROFILE, "instructions": "Write well.", "parameters": {"temperature": 0.5}}
    agent = an_agent(api.tenant_id).happens(Agent.Revised, agent_version=2, profile=revised)
    await api.happened(agent)
    for query in (ONE, by_resolvers(ONE)):
        assert (await api.read(query, id=str(agent.stream_id)))["agent"] == {
            "id": str(agent.stream_id),
            "name": "writer",
            "role": None,
            "model": "offline/echo",
            "instructions": "Write well.",
            "tools": [],
            "parameters": {"temperature": 0.5},
            "version": 2,
            "isDeleted": False,
            "createdAt": "2026-01-01T00:00:01+00:00",
            "updatedAt": "2026-01-01T00:00:02+00:00",
            "createdBy": "user:ada",
            "versions": [
                {"version": 2, "instructions": "Write well."},
                {"version": 1, "instructions": "Write."},
            ],
        }


async def test_the_list_has_ones_own_agents_that_were_not_deleted(api: Api) -> None:
    kept, gone = an_agent(api.tenant_id), an_agent(api.tenant_id).happens(Agent.Deleted)
    await api.happened(kept, gone, an_agent(a_tenant()))
    edges = (await api.read("{ agents { edges { node { id } } } }"))["agents"]["edges"]
    assert edges == [{"node": {"id": str(kept.stream_id)}}]
    assert await api.read(ONE, id=str(gone.stream_id)) == {"agent": None}
