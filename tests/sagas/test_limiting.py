"""Calls of models that wait for their turn under a limit."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from commands.agents import CreateAgent, ExecuteAgent
from commands.call_limit_port import Line
from commands.execution_commands import PauseExecution, ResumeExecution
from commands.executions import CancelExecution
from commands.plan_port import TenantPlan
from commands.ports import CommandRecord, Envelope, PositionToken, SideRow
from domain.aggregates import Aggregate
from domain.errors import Unavailable
from domain.identifiers import JsonObject
from domain.plans import STANDARD_ID
from infra.metrics import METRICS
from sagas import limiting
from sagas.limiting import WAIT_S_MAX
from tests.sagas.limited import ROUTED, Limited
from tests.sagas.steps import read, until


@pytest.fixture
async def limited(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limited]:
    for name in ("LOOK_MIN_S", "LOOK_MAX_S", "LOOK_LATEST_S", "AGAIN_S"):
        monkeypatch.setattr(limiting, name, 0.01)
    async with AsyncExitStack() as stack:
        yield Limited(stack)


async def test_calls_are_made_one_after_the_other_in_the_order_in_which_they_came(
    limited: Limited,
) -> None:
    await limited.begins(concurrent_calls=1)
    made = [await limited.runs()]
    await limited.asked(1)
    for _ in range(3):
        made.append(await limited.runs())
        await limited.waits()
    for place in range(4):
        await limited.asked(place + 1)
        limited.models.answer(place, str(place))
    await limited.ends(4)
    started = [e for e in limited.world.store.events if e.topic == "execution.node_started"]
    assert [one.originator_id for one in started] == made
    await until(lambda: len(limited.places.ended) == 4, "not settled")
    assert {one.tokens for one in limited.places.ended} == {5}
    assert limited.places.held == {}


async def test_one_agent_does_not_take_the_places_of_another(limited: Limited) -> None:
    profile: JsonObject = {"name": "W", "model": "offline/echo", "instructions": "Answer."}
    one, other = [
        UUID(str(told["agent_id"]))
        for told in await limited.world.given(CreateAgent(profile), CreateAgent(profile))
    ]
    await limited.begins()
    plan = TenantPlan(
        STANDARD_ID, 1, "small", {}, {str(agent): {"concurrent_calls": 1} for agent in (one, other)}
    )
    limited.worker.saga.parts.plans.plan = plan  # pyright: ignore[reportAttributeAccessIssue] # a fake's
    for agent_id in (one, one, other):
        await limited.world.given(ExecuteAgent(agent_id, "why?"))
        await limited.worker.deliver()
    await limited.waits(one)
    await limited.asked(2)
    assert limited.slots.lines.crowded([other]) is None
    limited.models.answer(0, "so")
    await limited.asked(3)


async def test_without_a_limit_nobody_asks_for_a_place(limited: Limited) -> None:
    await limited.begins(step_weight=2)
    await limited.runs()
    await limited.asked(1)
    limited.models.answer(0, "so")
    await limited.ends(1)
    assert limited.places.takes_count == 0


async def test_who_waits_for_too_long_fails_in_a_way_that_can_be_routed(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    routed_id = await limited.runs(ROUTED)
    await limited.waits()
    waiting = METRICS.sagas.calls_waiting._value.get()
    limited.world.clock.pass_time(seconds=WAIT_S_MAX + 1)
    await limited.ends(1)
    execution = await read(limited.world, routed_id)
    failed = [e for e in limited.world.store.events if e.topic == "execution.node_failed"]
    assert [one.originator_id for one in failed] == [execution.id]
    assert b'"rate_limited"' in failed[0].state
    assert len(limited.models.calls) == 1
    assert METRICS.sagas.calls_waiting._value.get() == waiting - 1


async def test_a_run_that_is_cancelled_while_it_waits_leaves_the_line(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    gone_id = await limited.runs()
    await limited.waits()
    next_id = await limited.runs()
    await limited.world.given(CancelExecution(gone_id))
    await limited.worker.deliver()
    limited.models.answer(0, "so")
    await limited.asked(2)
    limited.models.answer(1, "so")
    await limited.ends(2)
    assert (await read(limited.world, next_id)).status == "COMPLETED"


async def test_a_call_that_was_not_made_gives_its_place_back(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, refused = limited.world.store.append, 0

    async def unavailable_once(
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        nonlocal refused
        if limited.places.held and not refused:
            refused += 1
            raise Unavailable
        return await append(aggregates, envelope, side_rows=side_rows, command=command)

    await limited.begins(concurrent_calls=1)
    monkeypatch.setattr(limited.world.store, "append", unavailable_once)
    await limited.runs()
    await limited.asked(1)
    limited.models.answer(0, "so")
    await limited.ends(1)
    assert refused == 1
    await until(lambda: len(limited.places.ended) == 2, "not settled")
    assert [one.tokens for one in limited.places.ended] == [0, 5]


async def test_a_run_that_is_paused_while_it_waits_holds_up_nobody(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    paused_id = await limited.runs()
    await limited.waits()
    await limited.world.given(PauseExecution(paused_id))
    await limited.worker.deliver()
    await limited.runs()
    limited.models.answer(0, "so")
    await limited.asked(2)
    limited.models.answer(1, "so")
    await limited.ends(2)
    await limited.world.given(ResumeExecution(paused_id))
    await limited.worker.deliver()
    await limited.asked(3)
    limited.models.answer(2, "so")
    await limited.ends(3)


async def test_what_is_under_way_is_renewed(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagas.call_slots.RENEW_S", 0.01)
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    await until(lambda: len(limited.places.renewed) > 1, "nothing was renewed")
    assert set(limited.places.renewed) == set(limited.places.held)


async def test_it_is_told_how_many_wait_until_nobody_does(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagas.call_slots.LINES_S", 0)
    await limited.begins(concurrent_calls=1)
    telling = asyncio.create_task(limited.slots.tell_lines())
    await limited.runs()
    await limited.asked(1)
    for _ in range(2):
        await limited.runs()
    tenant_id = limited.world.tenant_id
    told = limited.places.lines
    await until(lambda: [*told.values()] == [[Line(tenant_id, tenant_id, 2)]], "not told")
    for count in (1, 2, 3):
        await limited.asked(count)
        limited.models.answer(count - 1, "so")
    await until(lambda: [*told.values()] == [[]], "still told")
    telling.cancel()
