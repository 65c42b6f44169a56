"""The audit trail: every recorded fact of a tenant or of one stream, newest first."""

from typing import Any

import pytest

from infra import event_search
from infra.read_positions import PositionToken
from infra.seal_proofs import TILE_AT
from infra.seal_verification import EVENTS as SEALED
from projections.tenant_export import EVENTS as EXPORTED
from read_api.events import NEWEST_OF_TENANT
from tests.projections.histories import (
    IDS,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    at,
    child_started,
)
from tests.read_api.api import Api

PAGE = """query($id: ID, $first: Int, $after: String) {
  events(streamId: $id, first: $first, after: $after) {
    edges { cursor node { streamId version topic } } pageInfo { hasNextPage endCursor } } }"""
FULL = """{ events(first: 1) { edges { node {
  position streamId version topic recordedAt actor commandId causationId correlationId traceparent
  data } } } }"""


SEARCH = """query($id: ID, $filter: EventFilter, $first: Int, $after: String) {
  events(streamId: $id, filter: $filter, first: $first, after: $after) {
    edges { node { streamId version topic } } pageInfo { hasNextPage endCursor } } }"""


async def searched(
    api: Api, *, first: Any = 3, stream: Any = None, **asked: Any
) -> list[tuple[str, int]]:
    """(stream, version) of every event that a filter lets through, read page by page."""
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        page = (await api.read(SEARCH, id=stream, filter=asked, first=first, after=after))["events"]
        seen += [(edge["node"]["streamId"], edge["node"]["version"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen


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


async def test_events_are_found_by_topic_actor_and_stream_page_by_page(api: Api) -> None:
    runs = [a_finished_run(api.tenant_id) for _ in range(3)]
    agent = an_agent(api.tenant_id)
    await api.record(*runs, agent, a_finished_run(a_tenant()))
    newest_first = [str(run.stream_id) for run in reversed(runs)]
    assert await searched(api, topics=["execution.created"]) == [(one, 1) for one in newest_first]
    both = ["execution.created", "agent.created"]
    assert await searched(api, topics=both, first=2) == [
        (str(agent.stream_id), 1),
        *((one, 1) for one in newest_first),
    ]
    own = str(runs[1].stream_id)
    assert await searched(api, stream=own, topics=["execution.created"]) == [(own, 1)]
    assert len(await searched(api, stream=own)) == len(runs[1].events)
    actors = {event.actor for event in runs[0].events}
    counts = [len(await searched(api, actor=str(actor))) for actor in actors]
    assert sum(counts) >= sum(len(run.events) for run in runs)
    for nothing in ({"actor": "nobody"}, {"topics": []}, {"actor": "a\x00b"}):
        assert await searched(api, **nothing) == []


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_events_are_found_by_when_they_were_recorded(api: Api, is_sealed: bool) -> None:
    """The event of version n was recorded at second n. Seals make it faster, and change nothing."""
    runs = [a_finished_run(api.tenant_id) for _ in range(2)]
    for run in runs:
        await api.record(run)
        if is_sealed:
            await api.ledger.seal(events_max=2)
            await api.ledger.seal()
    found = await searched(api, **{"from": at(2).isoformat(), "to": at(4).isoformat()})
    assert found == [(str(run.stream_id), version) for run in reversed(runs) for version in (3, 2)]
    assert await searched(api, to=at(1).isoformat()) == []
    assert await searched(api, **{"from": "2090-01-01T00:00:00Z"}) == []
    everything = await searched(api, **{"from": at(0).isoformat(), "to": "2090-01-01T00:00:00Z"})
    assert len(everything) == sum(len(run.events) for run in runs)


async def test_what_belongs_together_is_found_by_its_correlation(api: Api) -> None:
    runs = [a_finished_run(api.tenant_id) for _ in range(2)]
    foreign = a_finished_run(a_tenant())
    await api.record(*runs, foreign)
    request = IDS.new()
    for stream in (*runs, foreign):
        await api.ledger.fetch(
            "UPDATE events SET correlation_id = %s WHERE originator_id = %s"
            " AND originator_version IN (2, 4)",
            request,
            stream.stream_id,
        )
    expected = [(str(run.stream_id), version) for run in reversed(runs) for version in (4, 2)]
    assert await searched(api, correlationId=str(request)) == expected
    own = str(runs[0].stream_id)
    assert await searched(api, stream=own, correlationId=str(request)) == expected[2:]
    for nobody in (str(IDS.new()), "nonsense"):
        assert await searched(api, correlationId=nobody) == []


async def test_a_page_looks_at_so_many_events_and_says_where_it_ended(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "LOOKED_MAX", 4)
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    answer = await api.read(SEARCH, filter={"topics": ["execution.created"]}, first=3)
    assert answer["events"]["edges"] == []
    assert answer["events"]["pageInfo"]["hasNextPage"]
    assert await searched(api, topics=["execution.created"]) == [(str(run.stream_id), 1)]


async def test_a_search_for_too_many_topics_is_refused(api: Api) -> None:
    assert await api.refused(SEARCH, filter={"topics": ["a"] * 51}) == "too_many_topics"


CAUSES = """query($id: ID!, $version: Int!) { event(streamId: $id, version: $version) {
  topic causes { streamId version topic causes { version } }
  effects { streamId version topic effects { version } } } }"""


async def test_an_event_is_caused_by_the_one_before_it_and_causes_the_next(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    topics = [event.topic for event in run.events]
    found = (await api.read(CAUSES, id=str(run.stream_id), version=3))["event"]
    place = {"streamId": str(run.stream_id)}
    assert found == {
        "topic": topics[2],
        "causes": [{**place, "version": 2, "topic": topics[1], "causes": [{"version": 1}]}],
        "effects": [{**place, "version": 4, "topic": topics[3], "effects": [{"version": 5}]}],
    }
    first = (await api.read(CAUSES, id=str(run.stream_id), version=1))["event"]
    last = (await api.read(CAUSES, id=str(run.stream_id), version=len(topics)))["event"]
    assert (first["causes"], last["effects"]) == ([], [])


async def test_the_start_of_a_child_is_caused_in_its_parent(api: Api) -> None:
    parent = an_execution(api.tenant_id)
    child = an_execution(api.tenant_id, parent_id=str(parent.stream_id), parent_path="research")
    for started_id in (IDS.new(), child.stream_id, IDS.new()):
        child_started(parent, "research", started_id)
    await api.record(parent, child)
    created = (await api.read(CAUSES, id=str(child.stream_id), version=1))["event"]
    (cause,) = created["causes"]
    assert (cause["streamId"], cause["version"]) == (str(parent.stream_id), 3)
    started = (await api.read(CAUSES, id=str(parent.stream_id), version=3))["event"]
    places = [(one["streamId"], one["version"]) for one in started["effects"]]
    assert places == [(str(parent.stream_id), 4), (str(child.stream_id), 1)]


async def test_no_cause_is_looked_for_in_another_tenant(api: Api) -> None:
    foreign = an_execution()
    child = an_execution(api.tenant_id, parent_id=str(foreign.stream_id), parent_path="research")
    child_started(foreign, "research", child.stream_id)
    await api.record(foreign, child)
    created = (await api.read(CAUSES, id=str(child.stream_id), version=1))["event"]
    assert created["causes"] == []
    for stream_id, version in ((foreign.stream_id, 1), (child.stream_id, 9), ("nonsense", 1)):
        found = await api.read(CAUSES, id=str(stream_id), version=version)
        assert found["event"] is None


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (NEWEST_OF_TENANT, {"era": 9, "tx_id": "9", "notification_id": 9, "limit": 51}),
        (TILE_AT, (IDS.new(), 9, "9", 9)),
        (EXPORTED, (IDS.new(), 0, "0", 0, 200)),
        (SEALED, (IDS.new(), 0, "0", 0, 9, "9", 9, 200)),
    ],
    ids=["newest events", "tile of an event", "events for export", "events of a seal"],
)
async def test_pages_of_the_log_come_in_the_order_of_an_index(
    api: Api, query: str, asked: Any
) -> None:
    """Not even a planner that may not sort has to: of millions of events it would be seconds."""
    conn = api.ledger.owner
    async with conn.transaction(force_rollback=True):
        for way in ("sort", "incremental_sort", "seqscan", "bitmapscan"):
            await conn.execute(f"SET LOCAL enable_{way} = off".encode())
        plan = await (await conn.execute(f"EXPLAIN {query}".encode(), asked)).fetchall()
    told = "\n".join(line for (line,) in plan)
    assert "Index" in told
    assert "Sort" not in told
