"""Rate limits over several API processes: admitted together is at most the limit and what each may
leave unsettled.
"""

import asyncio

import pytest

from domain.errors import Unavailable
from infra.metrics import Metrics
from infra.postgres import Database
from infra.rate_limit_store import PostgresRateLimits
from infra.rate_limits import (
    AHEAD_MAX_S,
    BUCKETS_MAX,
    SETTLED_AT_ONCE_MAX,
    Limit,
    LimitsUnavailable,
    RateLimits,
    TooManyRequests,
    headers_of,
)
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.rate_limits import MemoryRateLimits

PER_MIN = 100
LIMIT = Limit("tenant", PER_MIN)
STRICT = Limit("login", 20, is_strict=True)


class Clock:
    def __init__(self) -> None:
        self.time_s = 1000.0

    def __call__(self) -> float:
        return self.time_s


class Processes:
    """Some on one store. Each admits until it refuses."""

    def __init__(self, count: int, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = MemoryRateLimits(self.clock)
        self.each = [RateLimits(self.store, Metrics(), self.clock) for _ in range(count)]

    async def settle(self) -> None:
        for process in self.each:
            await process.settle()


async def is_admitted(process: RateLimits, limit: Limit, subject: object = "acme") -> bool:
    try:
        await process.take(limit, subject)
    except TooManyRequests:
        return False
    return True


async def admitted(process: RateLimits, limit: Limit, calls: int, subject: object = "acme") -> int:
    return sum([await is_admitted(process, limit, subject) for _ in range(calls)])


async def test_a_minute_brings_exactly_a_minutes_worth() -> None:
    processes = Processes(1)
    for _ in range(3):
        assert await admitted(processes.each[0], LIMIT, PER_MIN + 50) == PER_MIN
        processes.clock.time_s += 60


async def test_a_burst_is_refilled_at_the_rate_of_the_minute() -> None:
    processes, limit = Processes(1), Limit("tenant", 60, burst=10)
    (process,) = processes.each
    for seconds, brings in ((0, 10), (3, 3), (600, 10)):
        processes.clock.time_s += seconds
        assert await admitted(process, limit, 30) == brings
    with pytest.raises(TooManyRequests) as refusal:
        await process.take(limit, "acme")
    assert refusal.value.retry_after_s == pytest.approx(1)
    told = headers_of(refusal.value.standing)
    assert told == [
        (b"ratelimit-policy", b'"tenant";q=10;w=10'),
        (b"ratelimit", b'"tenant";r=0;t=11'),
    ]


async def test_a_refused_call_does_not_lengthen_the_wait() -> None:
    processes = Processes(1)
    (process,) = processes.each
    await admitted(process, LIMIT, PER_MIN)
    for _ in range(1000):
        with pytest.raises(TooManyRequests) as refusal:
            await process.take(LIMIT, "acme")
        assert refusal.value.retry_after_s == pytest.approx(0.6)
    processes.clock.time_s += 0.6
    assert await is_admitted(process, LIMIT)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
async def test_processes_together_admit_the_limit_and_at_most_a_lease_of_each(count: int) -> None:
    processes = Processes(count)
    turns = [admitted(process, LIMIT, PER_MIN * 2) for process in processes.each]
    total = sum(await asyncio.gather(*turns))
    assert PER_MIN <= total <= PER_MIN + count * LIMIT.lease


@pytest.mark.parametrize("count", [2, 5, 20])
async def test_in_the_long_run_processes_together_admit_the_rate_of_one(count: int) -> None:
    """What was admitted too much is paid for before the next is admitted."""
    processes = Processes(count)
    minutes, total = 5, 0
    for _ in range(minutes * 60):
        for process in processes.each:
            total += await admitted(process, LIMIT, 10)
        await processes.settle()
        processes.clock.time_s += 1
    assert total <= (minutes + 1) * PER_MIN + count * LIMIT.lease


async def test_one_process_gets_what_the_others_leave() -> None:
    processes = Processes(3)
    assert await admitted(processes.each[0], LIMIT, 30) == 30
    await processes.settle()
    assert await admitted(processes.each[1], LIMIT, PER_MIN) in range(70, 70 + LIMIT.lease + 1)


async def test_subjects_and_limits_are_counted_apart() -> None:
    (process,) = Processes(1).each
    assert await admitted(process, LIMIT, PER_MIN) == PER_MIN
    assert await is_admitted(process, LIMIT, "other")
    assert await is_admitted(process, Limit("key", 1), "acme")


async def test_a_hundred_calls_at_once_share_the_rounds() -> None:
    processes = Processes(1)
    (process,) = processes.each
    limit = Limit("tenant", 1000)
    await asyncio.gather(*(process.take(limit, "acme") for _ in range(100)))
    assert processes.store.rounds_count <= 4


async def test_a_strict_limit_is_exact_over_processes() -> None:
    processes = Processes(4)
    total = 0
    for number in range(40):
        total += await is_admitted(processes.each[number % 4], STRICT)
    assert total == STRICT.per_min


async def test_strict_calls_at_once_never_exceed_the_limit() -> None:
    processes = Processes(4)
    calls = [is_admitted(process, STRICT) for process in processes.each for _ in range(10)]
    assert sum(await asyncio.gather(*calls)) <= STRICT.per_min


async def test_without_the_store_a_process_goes_on_alone_with_the_whole_limit_and_says_so() -> None:
    processes = Processes(2)
    processes.store.is_down = True
    for process in processes.each:
        assert await admitted(process, LIMIT, PER_MIN * 2) == PER_MIN
        assert process.is_alone
        assert b"agentledger_rate_limits_alone 1.0" in process._metrics.exposition()


async def test_without_the_store_a_strict_limit_refuses() -> None:
    processes = Processes(1)
    processes.store.is_down = True
    (process,) = processes.each
    for _ in range(3):
        with pytest.raises(LimitsUnavailable):
            await process.take(STRICT, "192.0.2.1")
    assert processes.store.rounds_count == 1


async def test_what_was_admitted_alone_is_counted_when_the_store_is_back() -> None:
    processes = Processes(2)
    processes.store.is_down = True
    assert await admitted(processes.each[0], LIMIT, PER_MIN) == PER_MIN
    processes.store.is_down = False
    await processes.settle()
    assert not processes.each[0].is_alone
    assert await admitted(processes.each[1], LIMIT, PER_MIN) <= LIMIT.lease
    assert b"agentledger_rate_limits_alone 0.0" in processes.each[0]._metrics.exposition()


async def test_a_process_that_was_alone_without_calls_finds_the_store_again() -> None:
    processes = Processes(1)
    (process,) = processes.each
    processes.store.is_down = True
    with pytest.raises(LimitsUnavailable):
        await process.take(STRICT, "192.0.2.1")
    processes.store.is_down = False
    await process.settle()
    assert await is_admitted(process, STRICT, "192.0.2.2")


async def test_a_caller_that_goes_away_does_not_end_the_round_of_the_others() -> None:
    processes = Processes(1)
    (process,) = processes.each
    await admitted(process, LIMIT, LIMIT.lease)
    leaving = asyncio.create_task(process.take(LIMIT, "acme"))
    staying = asyncio.create_task(process.take(LIMIT, "acme"))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert leaving.cancelled()


async def test_buckets_are_bounded_also_when_nothing_can_be_settled() -> None:
    processes = Processes(1)
    (process,) = processes.each
    processes.store.is_down = True
    for number in range(BUCKETS_MAX + 10):
        await process.take(LIMIT, number)
    assert len(process._buckets) == BUCKETS_MAX
    assert len(process._unsettled) == BUCKETS_MAX


def test_the_headers_say_what_is_left() -> None:
    processes = Processes(1)
    standing = asyncio.run(processes.each[0].take(LIMIT, "acme"))
    assert headers_of(standing) == [
        (b"ratelimit-policy", b'"tenant";q=100;w=60'),
        (b"ratelimit", b'"tenant";r=99;t=1'),
    ]


# On PostgreSQL.


async def _stores(parts: Parts, count: int) -> list[PostgresRateLimits]:
    return [PostgresRateLimits(await parts.database("api"), b"a key") for _ in range(count)]


async def test_two_processes_on_postgresql_admit_within_the_bound(parts: Parts) -> None:
    limit, subject = Limit("tenant", 600), IDS.new()
    each = [
        RateLimits(store, Metrics(), asyncio.get_running_loop().time)
        for store in await _stores(parts, 2)
    ]
    total = sum(await asyncio.gather(*(admitted(p, limit, 1000, subject) for p in each)))
    # What is refilled while the test runs, which is less than half a minute, comes on top.
    assert 600 <= total <= 600 + 2 * limit.lease + 300


async def test_a_strict_limit_on_postgresql_is_exact(parts: Parts) -> None:
    limit, subject = Limit("login", 1, is_strict=True), IDS.new()
    each = [
        RateLimits(store, Metrics(), asyncio.get_running_loop().time)
        for store in await _stores(parts, 2)
    ]
    assert [await is_admitted(process, limit, subject) for process in [*each, *each]].count(
        True
    ) == 1


async def test_many_buckets_are_settled_by_two_at_once_without_a_deadlock(parts: Parts) -> None:
    names = [f"tenant:{number}" for number in range(SETTLED_AT_ONCE_MAX)]
    first, second = await _stores(parts, 2)
    for _ in range(5):
        ahead = await asyncio.gather(
            first.settle([(name, 0.0) for name in names], ahead_max_s=AHEAD_MAX_S),
            second.settle([(name, 0.0) for name in reversed(names)], ahead_max_s=AHEAD_MAX_S),
        )
        assert all(set(told) == set(names) for told in ahead)


async def test_a_clock_that_jumps_shuts_nobody_out_for_longer_than_a_minute(parts: Parts) -> None:
    (store,) = await _stores(parts, 1)
    name = f"tenant:{IDS.new()}"
    # As if the server's clock had shown next year when these were spent.
    year_s = 365 * 86_400.0
    await store.settle([(name, year_s)], ahead_max_s=AHEAD_MAX_S)
    told = await store.settle([(name, 1.0)], ahead_max_s=AHEAD_MAX_S)
    assert told[name] == pytest.approx(AHEAD_MAX_S + 1, abs=1)
    # And in the past: everything is paid for.
    await store.settle([(name, -year_s)], ahead_max_s=AHEAD_MAX_S)
    told = await store.settle([(name, 1.0)], ahead_max_s=AHEAD_MAX_S)
    assert told[name] == pytest.approx(1, abs=0.5)


async def test_no_address_lies_in_the_database_and_what_is_paid_for_is_forgotten(
    parts: Parts, database_url: str
) -> None:
    (store,) = await _stores(parts, 1)
    await store.settle([("address:192.0.2.77", 0.5), ("address:old", -3600.0)], ahead_max_s=1)
    await store.forget()
    owner = Database(database_url, pool_size_max=1)
    await owner.open()
    try:
        async with owner.connection() as conn:
            query = "SELECT bucket, paid_until FROM agentledger.rate_limit_buckets"
            rows = await (await conn.execute(query)).fetchall()
    finally:
        await owner.close()
    assert {len(bucket) for bucket, _ in rows} == {16}
    assert all(b"192.0.2.77" not in bucket for bucket, _ in rows)
    told = await store.settle([("address:old", 0.0)], ahead_max_s=1)
    assert told["address:old"] == pytest.approx(0, abs=0.5)


async def test_a_database_that_cannot_be_reached_is_unavailable() -> None:
    gone = Database("host=127.0.0.1 port=1", pool_size_max=1, checkout_timeout_s=0.05)
    await gone.open()
    try:
        with pytest.raises(Unavailable):
            await PostgresRateLimits(gone, b"a key").settle([("a", 1.0)], ahead_max_s=1)
    finally:
        await gone.close()
