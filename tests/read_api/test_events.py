"""The audit trail: every recorded fact of a tenant or of one stream, newest first."""

import pytest

from infra.read_positions import PositionToken
from tests.projections.histories import IDS, a_finished_run, a_tenant, an_agent
from tests.read_api.api import Api

PAGE = """query($id: ID, $first: Int, $after: String) {
  events(streamId: $id, first: $first, after: $after) {
    edges { cursor node { streamId version topic } } pageInfo { hasNextPage endCursor } } }"""
FULL = """{ events(first: 1) { edges { node {
  position streamId version topic recordedAt actor commandId causationId correlationId traceparent
  data } } } }"""


async def pages(api: Api, **asked: object) -> list[tuple[str, int]]:
    """(stream, version) of every event, read page by page."""
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        page = (await api.read(PAGE, first=3, after=after, **asked))["events"]
        seen += [(edge["node"]["streamId"], edge["node"]["version"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen


async def test_an_event_is_shown_with_its_facts_and_its_cause(api: Api) -> None:
    agent = an_agent(api.tenant_id)
    await api.record(agent)
    (edge,) = (await api.read(FULL))["events"]["edges"]
    position = PositionToken.parse(edge["node"].pop("position"))
    assert list(position.notification_ids) == [agent.events[0].shard]
    assert edge["node"] == {
        "streamId": str(agent.stream_id),
        "version": 1,
        "topic": "agent.created",
        "recordedAt": "2026-01-01T00:00:01+00:00",
        "actor": "user:ada",
        "commandId": None,
        "causationId": None,
        "correlationId": None,
        "traceparent": None,
        "data": {
            "profile": {
                "name": "writer",
                "role": None,
                "model": "offline/echo",
                "instructions": "Write.",
            }
        },
    }


async def test_pages_cover_the_tenants_events_once_newest_first(api: Api) -> None:
    run, agent = a_finished_run(api.tenant_id), an_agent(api.tenant_id)
    await api.record(run)
    await api.record(agent, a_finished_run(a_tenant()))
    expected = [(str(agent.stream_id), 1)]
    expected += [(str(run.stream_id), version) for version in range(7, 0, -1)]
    assert await pages(api) == expected
    assert await pages(api, id=str(run.stream_id)) == expected[1:]


async def test_another_tenants_stream_has_no_events(api: Api) -> None:
    foreign = a_finished_run(a_tenant())
    await api.record(foreign)
    for stream_id in (str(foreign.stream_id), str(IDS.new()), "nonsense"):
        assert await pages(api, id=stream_id) == []


@pytest.mark.parametrize("cursor", ["", "x", "é", "MS4y", "LTEuMS4xLjE", "AaH9XHi3d5SvnH6RGyR83w"])
async def test_what_is_no_cursor_is_refused(api: Api, cursor: str) -> None:
    assert await api.refused(PAGE, after=cursor) == "bad_cursor"
    if cursor != "AaH9XHi3d5SvnH6RGyR83w":
        query = "query($after: String) { executions(after: $after) { edges { cursor } } }"
        assert await api.refused(query, after=cursor) == "bad_cursor"
