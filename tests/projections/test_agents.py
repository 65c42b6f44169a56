"""agents and agent_versions."""

from domain.agents import Agent
from projections.agents import AGENT_VERSIONS, AGENTS
from projections.fold import rows_after
from tests.projections.histories import PROFILE, an_agent, at

CHANGED = PROFILE | {"name": "poet", "role": "verse", "tools": [{"name": "t"}], "parameters": {}}


def test_an_agent_is_its_newest_version() -> None:
    agent = an_agent().happens(Agent.Revised, agent_version=2, profile=CHANGED)
    assert rows_after(AGENTS, agent.events) == [
        {
            "tenant_id": agent.tenant_id,
            "agent_id": agent.stream_id,
            "name": "poet",
            "role": "verse",
            "model": "offline/echo",
            "instructions": "Write.",
            "tools": '[{"name":"t"}]',
            "parameters": "{}",
            "agent_version": 2,
            "is_deleted": False,
            "created_at": at(1),
            "updated_at": at(2),
            "created_by": "user:ada",
            "version": 2,
        }
    ]


def test_a_deleted_agent_keeps_its_row() -> None:
    agent = an_agent().happens(Agent.Deleted)
    (row,) = rows_after(AGENTS, agent.events)
    assert (row["is_deleted"], row["name"], row["version"]) == (True, "writer", 2)


def test_every_version_of_an_agent_stays() -> None:
    agent = an_agent().happens(Agent.Revised, agent_version=2, profile=CHANGED)
    first, second = rows_after(AGENT_VERSIONS, agent.happens(Agent.Deleted).events)
    assert (first["agent_version"], first["name"], first["tools"]) == (1, "writer", "[]")
    assert (second["agent_version"], second["name"], second["created_at"]) == (2, "poet", at(2))


def test_limits_change_nothing_of_what_an_agent_is() -> None:
    agent = an_agent()
    (before,) = rows_after(AGENTS, agent.events)
    limited = agent.happens(Agent.Limited, limits={"concurrent_calls": 2})
    assert rows_after(AGENTS, limited.events) == [{**before, "version": 2}]
