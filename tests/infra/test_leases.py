"""Leases of a process that is gone: its successor need not wait for their end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import pytest

from infra.postgres_log import PostgresLog
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, Recorder, until

PARTITIONS = 4
# Longer than any test may take: nobody here owns anything because a lease ran out.
LEASE_TTL_S = 3600.0
DEAD_OWNER = (
    "INSERT INTO partition_leases (consumer_group, partition, owner, epoch, expires_at)"
    " SELECT 'runs', p, 'dead', 1, clock_timestamp() + interval '1 hour'"
    "   FROM generate_series(0, 3) AS p"
)
DEAD_MEMBER = (
    "INSERT INTO group_members (consumer_group, member, expires_at)"
    " VALUES ('runs', 'dead', clock_timestamp() + interval '1 hour')"
)


LEASES = "SELECT partition, owner, expires_at FROM partition_leases ORDER BY partition"


class Busy(Recorder):
    """Something of every partition is in flight until `end` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.end = asyncio.Event()
        self.asked: set[int] = set()

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        self.asked.update(partitions)
        if not at_once:
            await self.end.wait()
        await super().revoked(partitions)


async def a_log(parts: Parts, lease_ttl_s: float) -> PostgresLog:
    return PostgresLog(
        await parts.database("relay"),
        parts.wakeups,
        member=IDS.new(),
        partitions_count=PARTITIONS,
        batch_events_max=50,
        poll_min_s=0.005,
        poll_max_s=0.1,
        pace_s=0.002,
        lease_ttl_s=lease_ttl_s,
    )


@asynccontextmanager
async def consuming(log: PostgresLog, handler: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(log.consume("runs", handler))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def owned(log: PostgresLog) -> int:
    return sum(log.is_owned("runs", each) for each in range(PARTITIONS))


async def test_what_a_killed_process_owned_is_taken_over_at_once(parts: Parts) -> None:
    database = await parts.database("relay")
    async with database.connection() as conn:
        await conn.execute(DEAD_OWNER)
        await conn.execute(DEAD_MEMBER)
    log = await a_log(parts, LEASE_TTL_S)
    async with consuming(log, Recorder()):
        await until(lambda: owned(log) == PARTITIONS, "all partitions")


@pytest.mark.parametrize("is_stopping", [False, True])
async def test_what_is_in_flight_comes_to_its_end_before_another_takes_over(
    parts: Parts, *, is_stopping: bool
) -> None:
    """A member joins, or the owner stops: the lease is renewed until nothing is in flight."""
    first, second, busy = await a_log(parts, 2), await a_log(parts, 2), Busy()
    handed_over = PARTITIONS if is_stopping else PARTITIONS // 2
    database = await parts.database("relay")

    async def leases() -> dict[int, tuple[str, datetime]]:
        async with database.connection() as conn:
            rows = await (await conn.execute(LEASES)).fetchall()
        return {row[0]: (row[1], row[2]) for row in rows if row[1] is not None}

    async with consuming(first, busy) as task:
        await until(lambda: owned(first) == PARTITIONS, "all partitions")
        async with consuming(second, Recorder()):
            if is_stopping:
                task.cancel()
            await until(lambda: len(busy.asked) == handed_over, "what is to be given up")
            begun = await leases()
            owners = {begun[one][0] for one in busy.asked}
            ends_at = max(begun[one][1] for one in busy.asked)
            try:
                now = begun
                while any(now[one][1] <= ends_at for one in busy.asked):
                    await asyncio.sleep(0.01)
                    now = await leases()
                assert {now[one][0] for one in busy.asked} == owners
                assert (len(owners), owned(second)) == (1, 0)
            finally:
                busy.end.set()
            await until(lambda: owned(second) == handed_over, "its share")
