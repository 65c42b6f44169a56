"""How fast a read model is built anew from the log, for the two that follow runs."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from psycopg import AsyncConnection

from bench.cpu import own_s, server_s
from bench.history import TENANTS, store_runs
from bench.report import Figure, Measurement, at_least, in_turn
from bench.stage import BenchFailed, Stage
from cli.opening import opening
from cli.session import owner_connection
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.rebuild import rebuild
from projections.table import AnyProjection

NAME = "rebuild"
EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class Rate:
    """core: a second of one core, ours and PostgreSQL's together."""

    per_s: float
    per_core_s: float


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("rebuild")
    assert settings.database_url is not None
    stored = await asyncio.to_thread(store_runs, settings.database_url, EVENTS)

    def connect() -> AbstractAsyncContextManager[AsyncConnection]:
        return owner_connection(settings)

    async def rate(projection: AnyProjection) -> Rate:
        await stage.settle()
        before_s = own_s() + server_s(stage)
        async with opening(settings) as open_events:
            rebuilt = await rebuild(projection, connect, open_events)
        used_s = own_s() + server_s(stage) - before_s
        if rebuilt.events_count != stored or rebuilt.parked_count:
            raise BenchFailed(f"{rebuilt} of {stored} events")
        return Rate(stored / rebuilt.elapsed_s, stored / used_s)

    executions, node_runs = await in_turn(lambda: rate(EXECUTIONS), lambda: rate(NODE_RUNS))
    return Measurement(
        NAME,
        f"read models rebuilt from {stored:,} events",
        [
            Figure("executions", "events/s", [r.per_s for r in executions]),
            Figure(
                "executions, per core used",
                "events/s",
                [r.per_core_s for r in executions],
                at_least(20_000),
            ),
            Figure("node_runs", "events/s", [r.per_s for r in node_runs]),
            Figure(
                "node_runs, per core used",
                "events/s",
                [r.per_core_s for r in node_runs],
                at_least(20_000),
            ),
        ],
        [
            f"runs of six nodes, one or two of them model calls, of {TENANTS} tenants",
            "per core used: by the processor time of this process and of PostgreSQL together",
        ],
    )
