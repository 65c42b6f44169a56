"""Time travel: what the read model had said of an execution after any of its events."""

from uuid import UUID

from domain.executions import Execution
from tests.projections.histories import (
    Stream,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    completed,
    started,
)
from tests.read_api.api import Api
from tests.read_api.queries import EXECUTION_FIELDS, NODE_FIELDS, by_resolvers
from tests.read_api.test_executions import a_child


async def test_time_travel_shows_every_version_as_it_was(api: Api) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    completed(
        started(run, "draft"), "draft", output={"text": "\u0000 \u00e9 \U0001f642", "b": 1, "a": 2}
    )
    run.happens(Execution.Completed, output=None)
    selection = f"{EXECUTION_FIELDS} nodes {{ {NODE_FIELDS} }} workflow {{ id }}"
    now = f"query($id: ID!) {{ was: execution(id: $id) {{ {selection} }} }}"
    then = (
        f"query($id: ID!, $v: Int!) {{ was: executionAt(id: $id, version: $v) {{ {selection} }} }}"
    )
    seen = []
    later = Stream(run.aggregate, run.tenant_id, run.stream_id)
    for event in run.events:
        later.events.append(event)
        await api.happened(later)
        seen.append((await api.read(now, id=str(run.stream_id)))["was"])
    for version, was in enumerate(seen, start=1):
        for query in (then, by_resolvers(then)):
            answer = await api.read(query, id=str(run.stream_id), v=version)
            assert answer["was"] == was


async def test_time_travel_goes_nowhere_without_a_version_of_ones_own(api: Api) -> None:
    run, foreign, agent = (
        a_finished_run(api.tenant_id),
        a_finished_run(a_tenant()),
        an_agent(api.tenant_id),
    )
    await api.happened(run, foreign, agent)
    query = "query($id: ID!, $v: Int!) { executionAt(id: $id, version: $v) { id } }"

    async def at(stream_id: UUID | str, version: int) -> object:
        return (await api.read(query, id=str(stream_id), v=version))["executionAt"]

    assert await at(run.stream_id, 7) == {"id": str(run.stream_id)}
    assert await at(run.stream_id, 8) is None
    assert await at(run.stream_id, 0) is None
    assert await at(run.stream_id, -3) is None
    assert await at(foreign.stream_id, 1) is None
    assert await at(agent.stream_id, 1) is None
    assert await at("nonsense", 1) is None
    assert await api.refused(query, id=str(run.stream_id), v=20_001) == "bad_version"


async def test_time_travel_shows_children_as_they_are_now_with_nodes_of_their_own(api: Api) -> None:
    parent = a_finished_run(api.tenant_id)
    child = started(a_child(parent, "research").happens(Execution.Started), "theirs")
    await api.happened(parent, child)
    query = """query($id: ID!) { executionAt(id: $id, version: 2) {
      nodes { path } children { status nodes { path } } } }"""
    for text in (query, by_resolvers(query)):
        assert (await api.read(text, id=str(parent.stream_id)))["executionAt"] == {
            "nodes": [],
            "children": [{"status": "RUNNING", "nodes": [{"path": "theirs"}]}],
        }
