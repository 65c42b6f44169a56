"""Assembles the role `projector` from the runtime's parts, and runs what a process has until it is
stopped.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from cli.collections import rare_collections
from commands.ports import Position
from infra.consumer import keep_running
from infra.postgres import Role
from infra.readiness import Ask, Check
from infra.runtime import Runtime
from infra.scrape import LoopWatch, disk_of
from projections.catalogue import PROJECTIONS
from projections.lag import lag_checks, projection_statuses, tell_lags
from projections.projector import Projector

PROJECTIONS_GROUP = "projections"


async def lags_of(runtime: Runtime, role: Role) -> Ask:
    """A check of the read models, which also tells Prometheus. role: api or projector."""
    database, lag_s_max = await runtime.database(role), runtime.settings.ready_lag_s_max

    async def ask() -> Sequence[Check]:
        async with database.connection() as conn:
            statuses = await projection_statuses(conn, PROJECTIONS)
        tell_lags(statuses, runtime.scrape.metrics)
        return lag_checks(statuses, lag_s_max)

    return ask


async def build_projector(
    runtime: Runtime, *, on_applied: Callable[[dict[int, Position]], None] | None
) -> Projector:
    """on_applied: for readers in the same process that wait for their own writes."""
    return Projector(
        await runtime.database("projector"),
        PROJECTIONS,
        open_events=(await runtime.event_seals("projector")).opened,
        partitions_count=runtime.settings.log_partitions,
        on_applied=on_applied,
    )


async def run_projector(runtime: Runtime, projector: Projector) -> None:
    """The read models, and beside them the seals of the log, of which one process makes all."""
    log = await runtime.log("projector")
    sealer = await runtime.log_sealer()
    pause_max_s = runtime.settings.consumer_restart_max_s
    async with asyncio.TaskGroup() as tasks:
        for name, part in {
            "projector": lambda: log.consume(PROJECTIONS_GROUP, projector),
            "log sealer": sealer.run,
        }.items():
            tasks.create_task(keep_running(name, part, pause_max_s=pause_max_s))


@contextlib.asynccontextmanager
async def stop_signal() -> AsyncGenerator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def run_until_stopped(
    runtime: Runtime, parts: Sequence[Awaitable[None]], stop: asyncio.Event
) -> None:
    """Runs the parts together; ends at the signal, or with the error of the first part or
    background loop that fails. Between the signal and the end it is not ready, and still serves.
    """
    watch = LoopWatch()
    runtime.scrape.ask(watch.tell)
    runtime.scrape.ask(disk_of(runtime.settings.data_dir))
    runtime.in_background("event loop", watch.run())
    running = [asyncio.ensure_future(part) for part in parts]
    stopping = asyncio.create_task(stop.wait())
    watched = [stopping, *running, *runtime.background.values()]
    try:
        with rare_collections():
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            runtime.readiness.is_draining = True
            if stopping in done and runtime.settings.shutdown_delay_s > 0:
                await asyncio.sleep(runtime.settings.shutdown_delay_s)
        for task in done:
            if task is not stopping:
                task.result()
    finally:
        for task in (stopping, *running):
            task.cancel()
        await asyncio.gather(stopping, *running, return_exceptions=True)
