"""Usage: sums by dimensions and intervals, and what they are made of."""

import base64
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.executions import Execution
from read_api.usage_groups import UsageDimension
from tests.projections.histories import (
    FREE,
    USAGE,
    Stream,
    a_tenant,
    an_execution,
    completed,
    started,
)
from tests.projections.usage_histories import PROVISIONAL_USAGE, a_sent_event
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

FIELDS = """start group { dimension value } quantity unit costUsd tokensIn tokensOut calls
  hasUnpriced unresolved"""
QUERY = (
    """query($from: DateTime!, $to: DateTime!, $by: [UsageDimension!], $each: Interval,
  $zone: String, $filter: [UsageFilter!]) { usage(from: $from, to: $to, groupBy: $by,
    interval: $each, timeZone: $zone, filter: $filter) {"""
    + FIELDS
    + "} }"
)
FACTS = """query($from: DateTime!, $to: DateTime!, $id: ID, $first: Int, $after: String,
  $filter: [UsageFilter!]) {
  usageFacts(from: $from, to: $to, executionId: $id, first: $first, after: $after,
    filter: $filter) { pageInfo { hasNextPage endCursor } edges { node {
    streamId executionId path attempt eventVersion happenedAt model source prices
    lines { meter quantity unit costUsd } } } } }"""
JANUARY = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def used(model: str, *lines: list[Any], **usage: Any) -> dict[str, Any]:
    """Of a call: lines of [meter, quantity, cost]."""
    return {
        **USAGE,
        "model": model,
        "usage": {**USAGE["usage"], "lines": [["requests", 1, 0], *lines], **usage},
    }


def a_call(tenant_id: Any, at: str, **fields: Any) -> Stream:
    """A run with one call, whose outcome was stored at that time."""
    run = an_execution(tenant_id)
    run.happens(Execution.Started)
    completed(run, "draft", **(fields or USAGE))
    last = run.events[-1]
    run.events[-1] = last._replace(recorded_at=datetime.fromisoformat(at))
    return run


async def usage(api: Api, **variables: Any) -> list[dict[str, Any]]:
    return (await api.read(QUERY, **{**JANUARY, **variables}))["usage"]


async def facts(api: Api, **variables: Any) -> list[dict[str, Any]]:
    page = (await api.read(FACTS, **{**JANUARY, **variables}))["usageFacts"]
    return [edge["node"] for edge in page["edges"]]


async def test_without_groups_or_intervals_it_is_one_sum(api: Api) -> None:
    await api.happened(
        a_call(api.tenant_id, "2026-01-05T10:00:00+00:00"),
        a_call(api.tenant_id, "2026-01-06T10:00:00+00:00"),
        a_call(a_tenant(), "2026-01-06T10:00:00+00:00"),
    )
    assert await usage(api) == [
        {
            "start": "2026-01-01T00:00:00+00:00",
            "group": [],
            "quantity": None,
            "unit": None,
            "costUsd": "0.000026",
            "tokensIn": 6,
            "tokensOut": 10,
            "calls": 2,
            "hasUnpriced": False,
            "unresolved": 0,
        }
    ]


async def test_nothing_used_is_a_sum_of_nothing(api: Api) -> None:
    (bucket,) = await usage(api)
    assert (bucket["costUsd"], bucket["calls"]) == ("0", 0)
    assert await usage(api, by=["MODEL"]) == []


async def test_groups_are_by_every_dimension_that_is_asked_for(api: Api) -> None:
    gpt = used("openai/gpt-4o", ["input_tokens", 4, 10**13], provider="openai", agent_id="a-1")
    await api.happened(
        a_call(api.tenant_id, "2026-01-05T10:00:00+00:00"),
        a_call(api.tenant_id, "2026-01-05T10:20:00+00:00", **gpt),
    )
    buckets = await usage(api, by=["AGENT", "MODEL"])
    assert [([g["value"] for g in one["group"]], one["costUsd"]) for one in buckets] == [
        (["offline/echo", None], "0.000013"),
        (["openai/gpt-4o", "a-1"], "10"),
    ]
    assert [g["dimension"] for g in buckets[0]["group"]] == ["MODEL", "AGENT"]
    meters = await usage(api, by=["METER"])
    assert [(one["group"][0]["value"], one["quantity"], one["unit"]) for one in meters] == [
        ("input_tokens", 7, "tokens"),
        ("output_tokens", 5, "tokens"),
        ("requests", 2, "requests"),
    ]
    (key,) = await usage(api, by=["API_KEY"])
    assert key["group"] == [{"dimension": "API_KEY", "value": "test"}]


async def test_the_edges_of_the_time_are_exact_and_half_open(api: Api) -> None:
    moments = ["09:59:59.999999", "10:00:00", "10:07:00", "10:15:00", "10:29:59.999999", "10:31:00"]
    await api.happened(*(a_call(api.tenant_id, f"2026-01-05T{one}+00:00") for one in moments))
    calls = [
        (await usage(api, **{"from": f"2026-01-05T{f}Z", "to": f"2026-01-05T{t}Z"}))[0]["calls"]
        for f, t in [
            ("10:00:00", "10:30:00"),
            ("10:00:00.000001", "10:31:00"),
            ("10:07:00", "10:31:00.000001"),
            ("10:01:00", "10:08:00"),
            ("10:08:00", "10:09:00"),
            ("09:00:00", "11:00:00"),
        ]
    ]
    assert calls == [4, 3, 4, 1, 0, 6]


async def test_any_time_is_the_sum_of_what_happened_in_it(api: Api) -> None:
    """Days, quarters and facts are put together; none is left out or counted twice."""
    draw = random.Random(3)
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    moments = [begin + timedelta(minutes=draw.randrange(5 * 1440)) for _ in range(60)]
    await api.happened(*(a_call(api.tenant_id, moment.isoformat()) for moment in moments))
    for _ in range(25):
        f, t = sorted(begin + timedelta(minutes=draw.randrange(5 * 1440)) for _ in range(2))
        asked = {"from": f.isoformat(), "to": t.isoformat(), "each": draw.choice([None, "DAY"])}
        buckets = await usage(api, **asked, zone=draw.choice(["UTC", "Asia/Kathmandu"]))
        expected = sum(f <= moment < t for moment in moments)
        assert sum(bucket["calls"] for bucket in buckets) == expected, asked


@pytest.mark.parametrize(
    ("zone", "from_", "to", "starts"),
    [
        # A day of 25 and one of 23 hours.
        (
            *("Europe/Oslo", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z"),
            ["2026-10-24T22:00:00", "2026-10-25T23:00:00"],
        ),
        (
            *("Europe/Oslo", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z"),
            ["2026-03-28T23:00:00", "2026-03-29T22:00:00"],
        ),
        (
            *("Asia/Kathmandu", "2026-02-27T18:15:00Z", "2026-03-01T18:15:00Z"),
            ["2026-02-27T18:15:00", "2026-02-28T18:15:00"],
        ),
    ],
)
async def test_days_are_those_of_the_time_zone(
    api: Api, zone: str, from_: str, to: str, starts: list[str]
) -> None:
    moments = [datetime.fromisoformat(f"{one}+00:00") for one in starts]
    last_of_first = moments[1] - timedelta(microseconds=1)
    await api.happened(
        a_call(api.tenant_id, last_of_first.isoformat()),
        a_call(api.tenant_id, moments[1].isoformat()),
        a_call(api.tenant_id, (moments[1] + timedelta(hours=1)).isoformat()),
    )
    buckets = await usage(api, **{"from": from_, "to": to, "each": "DAY", "zone": zone})
    assert [(one["start"], one["calls"]) for one in buckets] == [
        (f"{starts[0]}+00:00", 1),
        (f"{starts[1]}+00:00", 2),
    ]


async def test_intervals_in_which_nothing_was_used_are_there_for_every_group(api: Api) -> None:
    await api.happened(
        a_call(api.tenant_id, "2026-01-05T10:00:00+00:00"),
        a_call(api.tenant_id, "2026-01-05T12:00:00+00:00", **used("m/b", ["input_tokens", 1, 1])),
    )
    hours = {"from": "2026-01-05T10:00:00Z", "to": "2026-01-05T13:00:00Z", "each": "HOUR"}
    buckets = await usage(api, **hours, by=["MODEL"], zone="UTC")
    assert [(one["start"][11:13], one["group"][0]["value"], one["calls"]) for one in buckets] == [
        *(("10", "m/b", 0), ("10", "offline/echo", 1), ("11", "m/b", 0)),
        *(("11", "offline/echo", 0), ("12", "m/b", 1), ("12", "offline/echo", 0)),
    ]


async def test_what_has_no_price_and_what_nobody_knows_is_said(api: Api) -> None:
    unknown = started(an_execution(api.tenant_id), "draft").happens(
        Execution.UsageUnresolved,
        path="draft",
        node_type="llm",
        attempt=1,
        model="openai/gpt-4o",
        workflow_id=None,
        created_by="api_key:test",
    )
    unpriced = {**used("m/x"), "cost_usd_pico": None}
    unpriced["usage"]["lines"] = [["requests", 1, None], ["input_tokens", 9, None]]
    await api.happened(unknown, a_call(api.tenant_id, "2026-01-05T10:00:00+00:00", **unpriced))
    (bucket,) = await usage(api)
    assert (bucket["calls"], bucket["costUsd"]) == (2, "0")
    assert (bucket["hasUnpriced"], bucket["unresolved"], bucket["tokensIn"]) == (True, 1, 9)


async def test_a_sum_leads_down_to_the_events_it_is_made_of(api: Api) -> None:
    run = a_call(api.tenant_id, "2026-01-05T10:00:00+00:00")
    completed(run, "end", node_type="end", **FREE)
    await api.happened(run, a_call(api.tenant_id, "2026-01-06T10:00:00+00:00"))
    assert await facts(api, id=str(run.stream_id)) == [
        {
            "streamId": str(run.stream_id),
            "executionId": str(run.stream_id),
            "path": "draft",
            "attempt": 1,
            "eventVersion": 3,
            "happenedAt": "2026-01-05T10:00:00+00:00",
            "model": "offline/echo",
            "source": "provider",
            "prices": "offline/1",
            "lines": [
                {"meter": "requests", "quantity": 1, "unit": "requests", "costUsd": "0"},
                {"meter": "input_tokens", "quantity": 3, "unit": "tokens", "costUsd": "0.000003"},
                {"meter": "output_tokens", "quantity": 5, "unit": "tokens", "costUsd": "0.00001"},
            ],
        }
    ]
    newest = await facts(api, first=1)
    assert [fact["happenedAt"][:10] for fact in newest] == ["2026-01-06"]


async def test_what_the_tenant_counts_itself_has_a_meter_of_its_own(api: Api) -> None:
    sent = a_sent_event(api.tenant_id)
    await api.happened(sent)
    (bucket,) = await usage(api, by=["METER"])
    assert bucket["group"] == [{"dimension": "METER", "value": "pages_printed"}]
    assert (bucket["quantity"], bucket["unit"], bucket["hasUnpriced"]) == (12, "units", True)
    (fact,) = await facts(api)
    assert (fact["executionId"], fact["streamId"]) == (None, str(sent.stream_id))


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"zone": "Mars/Olympus"}, "bad_time_zone"),
        ({"each": "HOUR"}, "too_many_buckets"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    api: Api, variables: dict[str, Any], code: str
) -> None:
    year = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
    assert await api.refused(QUERY, **year, **variables) == code


async def test_any_group_that_is_told_opens_the_facts_it_is_made_of(api: Api) -> None:
    gpt = used("openai/gpt-4o", ["input_tokens", 4, 10**13], provider="openai", agent_id="a-1")
    theirs = used("openai/gpt-4o", provider="openai", created_by="user:7")
    calls = [USAGE, USAGE, gpt, theirs, theirs]
    times = [f"2026-01-0{day}T10:00:00+00:00" for day in range(1, 6)]
    await api.happened(
        *(a_call(api.tenant_id, at, **call) for at, call in zip(times, calls, strict=True))
    )
    for dimension in UsageDimension:
        buckets = await usage(api, by=[dimension.name])
        assert buckets
        for bucket in buckets:
            inside = await facts(api, filter=bucket["group"])
            counted = await usage(api, filter=bucket["group"])
            meters = {line["meter"] for fact in inside for line in fact["lines"]}
            assert "requests" in meters, dimension
            if dimension is not UsageDimension.METER:
                assert len(inside) == bucket["calls"] == counted[0]["calls"], dimension
            assert counted[0]["costUsd"] == bucket["costUsd"]
    either = [{"dimension": "MODEL", "value": one} for one in ("openai/gpt-4o", "\u0000", None)]
    assert len(await facts(api, filter=either)) == 3
    narrowed = [*either, {"dimension": "USER", "value": "7"}]
    assert (await usage(api, filter=narrowed))[0]["calls"] == 2


async def test_facts_come_in_pages_that_leave_none_out(api: Api) -> None:
    at = "2026-01-05T10:00:00+00:00"
    runs = [a_call(api.tenant_id, at) for _ in range(5)]
    for run in runs:
        completed(run, "again")  # At another time.
    await api.happened(*runs)
    everything = await facts(api)
    assert len(everything) == 10
    seen: list[Any] = []
    after = None
    while True:
        page = (await api.read(FACTS, **JANUARY, first=3, after=after))["usageFacts"]
        seen += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == everything


@pytest.mark.parametrize(
    "place",
    ["", "x", '["2026"]', '["2026-01-01T00:00:00Z","x","",1]', '{"a":1}', "[1,2,3,4]", "é"],
)
async def test_what_is_no_cursor_of_facts_is_refused(api: Api, place: str) -> None:
    cursor = base64.urlsafe_b64encode(place.encode()).decode()
    assert await api.refused(FACTS, **JANUARY, after=cursor) == "bad_cursor"


async def test_a_filter_has_a_bound(api: Api) -> None:
    many = [{"dimension": "MODEL", "value": str(n)} for n in range(101)]
    assert await api.refused(FACTS, **JANUARY, filter=many) == "too_many_filters"


async def test_both_ways_to_shape_an_answer_give_the_same(api: Api) -> None:
    await api.happened(a_call(api.tenant_id, "2026-01-05T10:00:00+00:00"))
    query = (
        '{ u: usage(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", groupBy: [METER],'
        " interval: DAY) { __typename at: start g: group { __typename dimension v: value }"
        " ...Amounts } } fragment Amounts on UsageBucket { quantity unit costUsd tokensIn"
        " tokensOut calls hasUnpriced unresolved }"
    )
    shaped = await api.read(query)
    assert len(shaped["u"]) == 31 * 3
    assert shaped == await api.read(by_resolvers(query))


async def test_what_is_provisional_is_told_in_sums_and_facts(api: Api) -> None:
    """12 pages at half a USD, as long as the period is not billed; and 12 without a price."""
    sent = a_sent_event(api.tenant_id, usage=PROVISIONAL_USAGE)
    await api.happened(sent, a_sent_event(api.tenant_id))
    query = (
        '{ usage(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z")'
        " { costUsd provisionalUsd }"
        ' costExplorer(from: "2026-01-05T00:00:00Z", to: "2026-01-06T12:00:00Z")'
        " { current { provisionalUsd } previous { provisionalUsd } }"
        ' usageFacts(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z")'
        " { edges { node { lines { costUsd isProvisional } } } } }"
    )
    told = await api.read(query)
    assert told["usage"] == [{"costUsd": "6", "provisionalUsd": "6"}]
    assert told["costExplorer"] == {
        "current": {"provisionalUsd": "6"},
        "previous": {"provisionalUsd": "0"},
    }
    lines = [line for edge in told["usageFacts"]["edges"] for line in edge["node"]["lines"]]
    assert sorted(lines, key=lambda line: line["isProvisional"]) == [
        {"costUsd": None, "isProvisional": False},
        {"costUsd": "6", "isProvisional": True},
    ]
