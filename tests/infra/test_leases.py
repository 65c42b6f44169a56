"""Leases of a process that is gone: its successor need not wait for their end."""

import asyncio
from contextlib import suppress

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


async def test_what_a_killed_process_owned_is_taken_over_at_once(parts: Parts) -> None:
    database = await parts.database("relay")
    async with database.connection() as conn:
        await conn.execute(DEAD_OWNER)
        await conn.execute(DEAD_MEMBER)
    log = PostgresLog(
        database,
        parts.wakeups,
        member=IDS.new(),
        partitions_count=PARTITIONS,
        batch_events_max=50,
        poll_min_s=0.005,
        poll_max_s=0.1,
        pace_s=0.002,
        lease_ttl_s=LEASE_TTL_S,
    )
    consuming = asyncio.create_task(log.consume("runs", Recorder()))
    try:
        await until(
            lambda: all(log.is_owned("runs", each) for each in range(PARTITIONS)), "all partitions"
        )
    finally:
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming
