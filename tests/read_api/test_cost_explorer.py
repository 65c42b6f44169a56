"""Two times beside each other."""

from typing import Any

import pytest

from tests.projections.histories import a_tenant
from tests.read_api.api import Api
from tests.read_api.test_usage import a_call, used

AMOUNTS = "costUsd quantity unit tokensIn tokensOut calls hasUnpriced unresolved"
QUERY = (
    """query($from: DateTime!, $to: DateTime!, $by: [UsageDimension!], $since: DateTime,
  $until: DateTime, $filter: [UsageFilter!], $first: Int) { costExplorer(from: $from, to: $to,
    groupBy: $by, compareFrom: $since, compareTo: $until, filter: $filter, first: $first) {
    previousFrom previousTo deltaUsd deltaPercent groupsCount restDeltaUsd
    current {"""
    f"{AMOUNTS} }} previous {{ {AMOUNTS} }} groups {{ kind deltaUsd deltaPercent"
    f" group {{ dimension value }} current {{ {AMOUNTS} }} previous {{ {AMOUNTS} }} }} }} }}"
)
FEBRUARY = {"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
JANUARY = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}


async def explored(api: Api, **asked: Any) -> dict[str, Any]:
    return (await api.read(QUERY, **{**FEBRUARY, **JANUARY, **asked}))["costExplorer"]


def costs(api: Api, at: str, model: str, usd: int) -> Any:
    return a_call(api.tenant_id, at, **used(model, ["input_tokens", 1, usd * 10**12]))


@pytest.fixture
async def months(api: Api) -> Api:
    """m/up went from 2 to 5, m/gone was 7, m/new is 1, m/same is 4 in both."""
    january, february = "2026-01-15T10:00:00+00:00", "2026-02-15T10:00:00+00:00"
    await api.happened(
        *[costs(api, january, *one) for one in (("m/up", 2), ("m/gone", 7), ("m/same", 4))],
        *[costs(api, february, *one) for one in (("m/up", 5), ("m/new", 1), ("m/same", 4))],
        a_call(a_tenant(), february, **used("m/up", ["input_tokens", 1, 10**15])),
    )
    return api


async def test_what_moved_most_comes_first_and_groups_come_and_go(months: Api) -> None:
    found = await explored(months, by=["MODEL"])
    moved = [
        (one["group"][0]["value"], one["kind"], one["deltaUsd"], one["deltaPercent"])
        for one in found["groups"]
    ]
    assert moved == [
        ("m/gone", "GONE", "-7", -100.0),
        ("m/up", "CHANGED", "3", 150.0),
        ("m/new", "NEW", "1", None),
        ("m/same", "SAME", "0", 0.0),
    ]
    assert (found["current"]["costUsd"], found["previous"]["costUsd"]) == ("10", "13")
    assert (found["deltaUsd"], round(found["deltaPercent"], 3)) == ("-3", -23.077)
    assert (found["groupsCount"], found["restDeltaUsd"]) == (4, "0")
    gone = found["groups"][0]
    assert (gone["current"]["calls"], gone["previous"]["calls"]) == (0, 1)


async def test_a_page_says_what_is_beyond_it(months: Api) -> None:
    found = await explored(months, by=["MODEL"], first=1)
    assert [one["kind"] for one in found["groups"]] == ["GONE"]
    assert (found["groupsCount"], found["restDeltaUsd"], found["deltaUsd"]) == (4, "4", "-3")


async def test_it_can_be_narrowed_and_quantities_are_of_meters(months: Api) -> None:
    only = [{"dimension": "MODEL", "value": "m/up"}]
    found = await explored(months, by=["METER"], filter=only)
    assert [
        (one["group"][0]["value"], one["current"]["quantity"], one["current"]["unit"])
        for one in found["groups"]
    ] == [("input_tokens", 1, "tokens"), ("requests", 1, "requests")]
    (alone,) = (await explored(months))["groups"]
    assert (alone["group"], alone["kind"], alone["deltaUsd"]) == ([], "CHANGED", "-3")


async def test_without_a_second_time_it_is_as_long_a_time_just_before(months: Api) -> None:
    found = await explored(months, since=None, until=None)
    assert found["previousFrom"] == "2026-01-04T00:00:00+00:00"
    assert found["previousTo"] == "2026-02-01T00:00:00+00:00"
    assert found["previous"]["costUsd"] == "13"


async def test_nothing_beside_nothing_is_nothing(api: Api) -> None:
    found = await explored(api, by=["MODEL"])
    assert (found["deltaUsd"], found["deltaPercent"], found["groups"]) == ("0", None, [])
    assert found["current"]["costUsd"] == "0"


async def test_half_a_time_or_one_before_all_times_is_refused(api: Api) -> None:
    assert await api.refused(QUERY, **FEBRUARY, since=JANUARY["since"]) == "bad_period"
    ever = {"from": "0001-01-02T00:00:00Z", "to": "9999-01-01T00:00:00Z"}
    assert await api.refused(QUERY, **ever) == "bad_period"
