"""Agents: the newest version of each, and all of them by version."""

import orjson

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


LIMITS = (
    "query($id: ID!) { agent(id: $id) { concurrentCalls tokensPerMin costUsdPerMin callsUnderWay"
    " callsWaiting tokensUsed costUsedUsd } }"
)


async def test_an_agent_tells_its_limits_and_what_is_used_of_them_now(api: Api) -> None:
    agent, free = an_agent(api.tenant_id), an_agent(api.tenant_id)
    await api.happened(agent, free)
    none = {
        "concurrentCalls": None,
        "tokensPerMin": None,
        "costUsdPerMin": None,
        "callsUnderWay": 0,
        "callsWaiting": 0,
        "tokensUsed": None,
        "costUsedUsd": None,
    }
    assert (await api.read(LIMITS, id=str(free.stream_id)))["agent"] == none
    limits = '{"concurrent_calls": 3, "tokens_per_min": 600, "cost_usd_per_min": "0.5"}'
    owner, of_agent = api.ledger.owner, (agent.tenant_id, agent.stream_id)
    await owner.execute("INSERT INTO agent_limits VALUES (%s, %s, %s::jsonb)", (*of_agent, limits))
    told = {"concurrentCalls": 3, "tokensPerMin": 600, "costUsdPerMin": "0.5"}
    unused = {"callsUnderWay": 0, "callsWaiting": 0, "tokensUsed": 0, "costUsedUsd": "0"}
    assert (await api.read(LIMITS, id=str(agent.stream_id)))["agent"] == told | unused
    # So far ahead that a slow test does not matter: a minute's worth, and what was used beyond it.
    claim = orjson.dumps([{"scope": str(agent.stream_id), "tokens": 600, "cost": 5 * 10**11}])
    taken = "SELECT take_call(%s, %s, %s::json, 600, 0, 600, now() + interval '10 min')"
    await owner.execute(taken, (agent.tenant_id, free.stream_id, claim.decode()))
    for query in (LIMITS, by_resolvers(LIMITS)):
        found = (await api.read(query, id=str(agent.stream_id)))["agent"]
        assert found["callsUnderWay"] == 1
        assert 600 * 10 < found["tokensUsed"] <= 600 * 11
        assert found["costUsedUsd"] == "0"
