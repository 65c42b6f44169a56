"""Following what is used: from the log, without gap, and only what the reader may see."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from commands.authorization import ROLE_GRANTS, Caller
from domain.executions import Execution
from tests.projections.histories import (
    FREE,
    IDS,
    USAGE,
    a_tenant,
    an_agent,
    an_execution,
    completed,
    started,
)
from tests.projections.test_usage import resolved, unresolved
from tests.projections.usage_histories import PROVISIONAL_USAGE, a_sent_event
from tests.read_api.api import KEY, Api
from tests.read_api.sockets import Socket, connected, serving

FOLLOW = """subscription($after: String) { usageUpdates(after: $after) { position isCorrection
  fact { executionId path eventVersion source happenedAt lines { meter quantity costUsd } }
  totals { costUsd provisionalUsd tokensIn tokensOut calls unpriced unresolved } } }"""
BEGINNING = "0-0-0:0"


@pytest.fixture
async def socket(api: Api) -> AsyncIterator[Socket]:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        yield socket


async def told(socket: Socket, count: int) -> list[dict[str, Any]]:
    return [data["usageUpdates"] for data in await socket.following(count)]


async def test_facts_are_told_as_they_are_recorded_with_what_they_add_up_to(
    api: Api, socket: Socket
) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    completed(started(run, "draft"), "draft")
    completed(run, "end", node_type="end", **FREE)
    await api.record(an_agent(api.tenant_id), run, completed(an_execution(a_tenant()), "draft"))
    await socket.subscribe(FOLLOW, after=BEGINNING)
    (first,) = await told(socket, 1)
    assert first["fact"] == {
        "executionId": str(run.stream_id),
        "path": "draft",
        "eventVersion": 4,
        "source": "provider",
        "happenedAt": "2026-01-01T00:00:04+00:00",
        "lines": [
            {"meter": "requests", "quantity": 1, "costUsd": "0"},
            {"meter": "input_tokens", "quantity": 3, "costUsd": "0.000003"},
            {"meter": "output_tokens", "quantity": 5, "costUsd": "0.00001"},
        ],
    }
    later = completed(an_execution(api.tenant_id), "draft", **{**USAGE, "tokens_in": 0})
    await api.record(later, a_sent_event(api.tenant_id))
    second, third = await told(socket, 2)
    assert second["totals"] == {
        "costUsd": "0.000026",
        "provisionalUsd": "0",
        "tokensIn": 6,
        "tokensOut": 10,
        "calls": 2,
        "unpriced": 0,
        "unresolved": 0,
    }
    assert (third["fact"]["executionId"], third["totals"]["unpriced"]) == (None, 1)
    await api.record(a_sent_event(api.tenant_id, usage=PROVISIONAL_USAGE))
    (fourth,) = await told(socket, 1)
    assert fourth["totals"]["provisionalUsd"] == "6"


async def test_what_is_found_out_takes_the_place_of_what_nobody_knew(
    api: Api, socket: Socket
) -> None:
    run = unresolved(started(an_execution(api.tenant_id), "draft"), "draft")
    await api.record(resolved(run, "draft"))
    await socket.subscribe(FOLLOW, after=BEGINNING)
    unknown, known = await told(socket, 2)
    assert (unknown["isCorrection"], unknown["totals"]["unresolved"]) == (False, 1)
    assert (known["isCorrection"], known["fact"]["source"]) == (True, "resolved")
    totals = known["totals"]
    assert (totals["calls"], totals["unresolved"], totals["costUsd"]) == (1, 0, "0.000005")


async def test_going_on_after_a_position_leaves_nothing_out(api: Api, socket: Socket) -> None:
    run = an_execution(api.tenant_id)
    for number in range(7):
        completed(run, f"n{number}")
    await api.record(run)
    await socket.subscribe(FOLLOW, after=BEGINNING)
    seen = await told(socket, 7)
    assert [one["fact"]["path"] for one in seen] == [f"n{number}" for number in range(7)]
    await socket.subscribe(FOLLOW, as_="2", after=seen[3]["position"])
    again = await told(socket, 3)
    assert [one["fact"]["path"] for one in again] == ["n4", "n5", "n6"]


async def test_pages_without_usage_are_passed(api: Api) -> None:
    await api.record(*[an_agent(api.tenant_id) for _ in range(7)])
    await api.record(completed(an_execution(api.tenant_id), "draft"))
    app = api.app(stream_page_events=2)
    async with serving(app) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe(FOLLOW, after=BEGINNING)
        (one,) = await told(socket, 1)
    assert one["fact"]["path"] == "draft"


async def test_whoever_sees_only_what_is_theirs_hears_only_of_that(api: Api) -> None:
    user_id, grants = IDS.new(), ROLE_GRANTS["USER"]
    api.callers.known[KEY] = Caller(
        f"user:{user_id}", api.tenant_id, grants.scopes, user_id, own_only=grants.own_only
    )
    mine = {**USAGE, "usage": {**USAGE["usage"], "created_by": f"user:{user_id}"}}
    theirs, own = an_execution(api.tenant_id), an_execution(api.tenant_id)
    await api.record(completed(theirs, "theirs"), completed(own, "mine", **mine))
    async with serving(api.app()) as address, connected(address) as other:
        await other.begin()
        await other.subscribe(FOLLOW, after=BEGINNING)
        (one,) = await told(other, 1)
    assert (one["fact"]["path"], one["totals"]["calls"]) == ("mine", 1)
