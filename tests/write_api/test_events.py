"""GET /events/export: the log of a tenant as lines for a SIEM."""

import re
from datetime import UTC, datetime

import orjson
import pytest

from domain.identifiers import TenantId
from infra.event_search import EventFilter
from tests.projections.histories import IDS, a_finished_run, an_agent
from tests.write_api.api import Api, problem
from write_api import events


async def test_the_export_is_json_lines_newest_first(api: Api) -> None:
    agent = an_agent(TenantId(api.world.tenant_id))
    api.event_search.events = [*agent.events, *a_finished_run().events]
    response = await api.send("GET", "/events/export")
    assert response.headers["content-type"].startswith("application/x-ndjson")
    (line,) = [orjson.loads(line) for line in response.text.splitlines()]
    assert (line["topic"], line["version"]) == ("agent.created", 1)
    assert line["stream_id"] == str(agent.stream_id)
    assert line["data"]["profile"]["name"] == "writer"


async def test_the_export_takes_every_filter(api: Api) -> None:
    stream_id, request_id = IDS.new(), IDS.new()
    query = (
        f"from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00%2B00:00&actor=user:ada&topic=a.b&topic=c.d"
        f"&stream_id={stream_id}&correlation_id={request_id}"
    )
    assert (await api.send("GET", f"/events/export?{query}")).text == ""
    assert api.event_search.asked == [
        EventFilter(
            stream_id=stream_id,
            actor="user:ada",
            topics=["a.b", "c.d"],
            correlation_id=request_id,
            begin=datetime(2026, 1, 1, tzinfo=UTC),
            end=datetime(2026, 2, 1, tzinfo=UTC),
        )
    ]


async def test_the_export_speaks_cef_and_one_event_is_one_line(api: Api) -> None:
    agent = an_agent(TenantId(api.world.tenant_id))
    event = agent.events[0]._replace(actor="user:a\r\nCEF:0|forged=1")
    api.event_search.events = [event]
    response = await api.send("GET", "/events/export?format=cef")
    (line,) = response.text.splitlines()
    assert line.startswith("CEF:0|AgentLedger|AgentLedger|1|agent.created|agent.created|1|rt=")
    assert "suser=user:a\\r\\nCEF:0|forged\\=1 " in line
    assert f"cs1={agent.stream_id} " in line


@pytest.mark.parametrize("form", ["jsonl", "cef"])
async def test_an_export_that_does_not_end_says_where_it_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(events, "EXPORT_EVENTS_MAX", 2)
    run = a_finished_run(TenantId(api.world.tenant_id))
    api.event_search.events = [
        event._replace(position=event.position._replace(notification_id=event.version))
        for event in reversed(run.events)
    ]
    first = (await api.send("GET", f"/events/export?format={form}")).text.splitlines()
    assert len(first) == 3
    (before,) = re.findall(r"\d+-\d+-\d+", first[-1])
    rest = (await api.send("GET", f"/events/export?format={form}&before={before}")).text
    assert len({*first[:2], *rest.splitlines()[:2]}) == 4


@pytest.mark.parametrize(
    "query",
    [
        "format=xml",
        "from=yesterday",
        "to=2026-01-01T00:00:00",
        "stream_id=1",
        "correlation_id=x",
        "before=1-2",
        "before=1-2-x",
        "before=-1-2-3",
        "before=1-2-99999999999999999999",
        "&".join(["topic=a"] * 51),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    problem(await api.send("GET", f"/events/export?{query}"), 422, "invalid")


async def test_the_export_needs_its_scope(api: Api) -> None:
    narrow = {"Authorization": api.allow("narrow", api.world.caller_with("audit:read"))}
    problem(await api.send("GET", "/events/export", headers=narrow), 403, "forbidden")
