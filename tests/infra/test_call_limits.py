"""Limits of calls of models, counted in the database for all workers."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from commands.call_limit_port import EndedCall, Full, HeldCall, Line
from domain.call_limits import CallLimit
from domain.identifiers import TenantId
from infra.call_limits import LEASE_S, OwnCallPlaces, PostgresCallLimits
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

USD = 10**12


class Told:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def passes(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Worker:
    """One that calls models for a tenant and one of its agents."""

    def __init__(self, limits: PostgresCallLimits, clock: Told) -> None:
        self.limits = limits
        self.clock = clock
        self.tenant_id = TenantId(IDS.new())
        self.agent_id = IDS.new()

    async def takes(
        self, *limits: CallLimit, tokens: int = 0, usd_pico: int = 0
    ) -> HeldCall | Full:
        held = HeldCall(self.tenant_id, IDS.new())
        full = await self.limits.take(held, limits, tokens=tokens, usd_pico=usd_pico)
        return held if full is None else full

    async def ends(self, held: HeldCall | Full, tokens: int | None, usd_pico: int = 0) -> None:
        assert isinstance(held, HeldCall)
        await self.limits.settle([EndedCall(held, tokens, usd_pico)])

    def full(self, limit: str, wait_s: float) -> Full:
        return Full(self.agent_id, limit, pytest.approx(wait_s))  # pyright: ignore[reportArgumentType] # equal to a float

    def at_once(self, most: int, scope_id: UUID | None = None) -> CallLimit:
        return CallLimit(scope_id or self.agent_id, most, None, None)

    def tokens(self, per_min: int) -> CallLimit:
        return CallLimit(self.agent_id, None, per_min, None)


@pytest.fixture
async def worker(parts: Parts) -> Worker:
    clock = Told()
    return Worker(PostgresCallLimits(await parts.database("worker"), clock), clock)


async def test_of_many_at_once_as_many_are_under_way_as_may_be(worker: Worker) -> None:
    few = worker.at_once(3)
    taken = await asyncio.gather(*(worker.takes(few) for _ in range(20)))
    held = [one for one in taken if isinstance(one, HeldCall)]
    assert len(held) == 3
    full = Full(worker.agent_id, "concurrent_calls", None)
    assert [one for one in taken if isinstance(one, Full)] == [full] * 17
    await worker.ends(held[0], 5)
    assert isinstance(await worker.takes(few), HeldCall)
    assert await worker.takes(few) == full


async def test_who_calls_for_one_tenant_shares_its_limits_and_reaches_no_others(
    worker: Worker, parts: Parts
) -> None:
    """As searches of the API do, whose role sees one tenant at a time."""
    api = OwnCallPlaces(await parts.database("api"), worker.clock)
    one = worker.at_once(1, worker.tenant_id)
    held = HeldCall(worker.tenant_id, IDS.new())
    assert await api.take(held, [one], tokens=0, usd_pico=0) is None
    full = Full(worker.tenant_id, "concurrent_calls", None)
    assert await worker.takes(one) == full
    stranger = TenantId(IDS.new())
    await api.settle([EndedCall(HeldCall(stranger, held.call_id), 0, 0)])
    assert await worker.takes(one) == full
    await api.settle([EndedCall(held, 0, 0)])
    ours = await worker.takes(one)
    assert isinstance(ours, HeldCall)
    assert await api.take(held, [one], tokens=0, usd_pico=0) == full
    # The same scope, under another tenant, is another one.
    theirs = HeldCall(stranger, IDS.new())
    assert await api.take(theirs, [one], tokens=0, usd_pico=0) is None


async def test_a_call_holds_a_place_of_all_its_limits_or_of_none(worker: Worker) -> None:
    of_tenant, of_agent = worker.at_once(2, worker.tenant_id), worker.at_once(1)
    await worker.takes(of_tenant, of_agent)
    assert await worker.takes(of_tenant, of_agent) == Full(
        worker.agent_id, "concurrent_calls", None
    )
    assert isinstance(await worker.takes(of_tenant), HeldCall)
    assert await worker.takes(of_tenant) == Full(worker.tenant_id, "concurrent_calls", None)


async def test_what_a_worker_held_that_is_gone_comes_back(worker: Worker) -> None:
    one = worker.at_once(1)
    held = await worker.takes(one)
    assert isinstance(held, HeldCall)
    worker.clock.passes(LEASE_S - 1)
    await worker.limits.renew([held])
    worker.clock.passes(LEASE_S - 1)
    assert isinstance(await worker.takes(one), Full)
    worker.clock.passes(2)
    assert isinstance(await worker.takes(one), HeldCall)


async def test_tokens_are_held_before_the_call_and_settled_with_what_it_used(
    worker: Worker,
) -> None:
    rate = worker.tokens(600)
    first = await worker.takes(rate, tokens=400)
    waits = await worker.takes(rate, tokens=400)
    assert waits == worker.full("tokens_per_min", 20)
    await worker.ends(first, 100)
    assert isinstance(await worker.takes(rate, tokens=400), HeldCall)
    # 500 are used or held: the 101st more has to wait for a tenth of a second.
    assert await worker.takes(rate, tokens=101) == worker.full("tokens_per_min", 0.1)
    worker.clock.passes(0.1)
    assert isinstance(await worker.takes(rate, tokens=101), HeldCall)


async def test_in_ten_minutes_no_more_than_eleven_minutes_worth_is_used(worker: Worker) -> None:
    rate, used = worker.tokens(100), 0
    for _ in range(10 * 60):
        held = await worker.takes(rate, tokens=30)
        if isinstance(held, HeldCall):
            await worker.ends(held, 25)
            used += 25
        worker.clock.passes(1)
    assert 10 * 100 <= used <= 11 * 100


async def test_what_was_used_beyond_what_was_held_is_paid_for_before_the_next(
    worker: Worker,
) -> None:
    rate = worker.tokens(60)
    await worker.ends(await worker.takes(rate, tokens=10), 130)
    waits = await worker.takes(rate, tokens=1)
    assert waits == worker.full("tokens_per_min", 71)
    worker.clock.passes(71)
    assert isinstance(await worker.takes(rate, tokens=1), HeldCall)


async def test_a_call_that_is_larger_than_a_minute_is_made_when_nothing_is_owed(
    worker: Worker,
) -> None:
    rate = worker.tokens(10)
    held = await worker.takes(rate, tokens=5000)
    assert isinstance(held, HeldCall)
    await worker.ends(held, None)
    waits = await worker.takes(rate, tokens=5000)
    assert waits == worker.full("tokens_per_min", 60)


async def test_costs_are_limited_alike(worker: Worker) -> None:
    rate = CallLimit(worker.agent_id, None, None, 3 * USD)
    held = await worker.takes(rate, usd_pico=2 * USD)
    waits = await worker.takes(rate, usd_pico=2 * USD)
    assert waits == worker.full("cost_usd_per_min", 20)
    await worker.ends(held, 7, USD)
    assert isinstance(await worker.takes(rate, usd_pico=2 * USD), HeldCall)


async def test_nobody_waits_for_the_calls_of_another_tenant(worker: Worker, parts: Parts) -> None:
    other = Worker(worker.limits, worker.clock)
    assert isinstance(await worker.takes(worker.at_once(1)), HeldCall)
    # Even of an agent with the same id.
    assert isinstance(await other.takes(worker.at_once(1)), HeldCall)
    api = await parts.database("api")
    async with api.tenant_transaction(other.tenant_id) as conn:
        row = await (await conn.execute("SELECT count(*) FROM calls_under_way")).fetchone()
    assert row == (1,)


async def test_who_waits_is_known_of_each_worker_until_it_tells_otherwise_or_is_gone(
    worker: Worker, parts: Parts
) -> None:
    api = await parts.database("api")

    async def known() -> int:
        counted = "SELECT to_json(sum(calls)) FROM calls_in_line"
        return int(await api.tenant_json(worker.tenant_id, counted, {}) or 0)

    one, other = IDS.new(), IDS.new()
    line = Line(worker.tenant_id, worker.agent_id, 2)
    for who in (one, other, one):
        await worker.limits.tell_lines(who, [line])
    assert await known() == 4
    await worker.limits.tell_lines(one, [])
    assert await known() == 2
    worker.clock.passes(LEASE_S + 1)
    await worker.limits.tell_lines(one, [line])
    assert await known() == 2
