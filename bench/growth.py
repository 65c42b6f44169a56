"""What a long history and many waiting runs cost: the engine on a small store and on a large one,
the memory of a waiting run, and the bytes a finished one leaves behind.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import LiteralString

import psutil

from bench.contenders import AT_ONCE
from bench.engine import FIVE_STEPS, STEP, STEPS, chain, engine_of
from bench.history import store_runs
from bench.many_runs import start_runs, tenant_headers, wait_for_count
from bench.report import ROUNDS, Figure, Measurement, in_turn, ratios
from bench.stage import Stage, api, execute, new_tenant, role
from domain.identifiers import JsonObject
from infra.runtime import build_runtime
from infra.settings import Settings

NAME = "growth"
SMALL_EVENTS = 10_000
ROUND_S = 5.0
WARM_UP_S = 1.0
WAITING_RUNS = 2000
WARM_UP_RUNS = 200
WAIT_MAX_S = 60
# A settled heap: what starting the runs needed for a moment has been given back.
SETTLE_S = 1.0
# Fails at once and is tried again after an hour: until then a run is a timer and its state.
TRIED_LATER: JsonObject = {
    "config": {
        "model": "offline/script",
        "prompt": "{{ input.question }}",
        "parameters": {"script": [{"fail": "unavailable"}]},
    },
    "retry": {"max_attempts": 2, "initial_backoff_s": 3600.0, "max_backoff_s": 3600.0},
}
WAITING = chain([TRIED_LATER, *[STEP] * (STEPS - 1)])
FAILED: LiteralString = (
    "SELECT count(*) FROM agentledger.events WHERE topic = 'execution.node_failed'"
)
OPEN: LiteralString = "SELECT count(*) FROM agentledger.open_executions"
SIZES: LiteralString = (
    "SELECT count(*), count(*) FILTER (WHERE topic = 'execution.completed'),"
    " coalesce(sum(length(state)), 0),"
    " pg_table_size('agentledger.events') + pg_indexes_size('agentledger.events')"
    " FROM agentledger.events"
)


async def measure(stage: Stage) -> Measurement:
    sizes_settings = await stage.installation("growth_sizes")
    large_events = stage.asked.events
    async with (
        _engine_with(stage, "growth_small", SMALL_EVENTS) as small,
        _engine_with(stage, "growth_large", large_events) as large,
    ):
        few, many = await in_turn(small, large)
    per_run = await _per_run(sizes_settings)
    waiting_kib = [await _kib_per_waiting_run(stage, number) for number in range(ROUNDS)]
    return Measurement(
        NAME,
        "what a long history and many waiting runs cost",
        [
            Figure(f"engine, {SMALL_EVENTS:,} events in the store", "runs/s", few),
            Figure(f"engine, {large_events:,} events in the store", "runs/s", many),
            Figure("  large store / small store", "", ratios(many, few)),
            Figure("memory of the worker per waiting run", "KiB", waiting_kib),
            *(Figure(what, unit, [value]) for what, unit, value in per_run),
        ],
        [
            f"{AT_ONCE} runs of five steps at once; the history is that of `rebuild`",
            f"{WAITING_RUNS:,} runs wait: their first step failed and is tried again in an hour",
            "memory: what is resident of `serve --role worker`, less what was before it had them",
            "bytes on disk: the table of events with its indexes, after VACUUM",
        ],
    )


@asynccontextmanager
async def _engine_with(
    stage: Stage, name: str, events_count: int
) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """A round of an engine whose store has so many events."""
    settings = await stage.installation(name)
    assert settings.database_url is not None
    await asyncio.to_thread(store_runs, settings.database_url, events_count)
    await asyncio.to_thread(execute, settings.database_url, "VACUUM ANALYZE agentledger.events")
    async with build_runtime(settings) as runtime, engine_of(runtime) as engine:
        workflow_id = await engine.register(FIVE_STEPS)
        await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=WARM_UP_S)

        async def one_round() -> float:
            await stage.settle()
            return await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=ROUND_S)

        yield one_round


async def _per_run(settings: Settings) -> list[tuple[str, str, float]]:
    """What one finished run of five steps leaves in the log."""
    url = settings.database_url
    assert url is not None
    async with build_runtime(settings) as runtime, engine_of(runtime) as engine:
        workflow_id = await engine.register(FIVE_STEPS)
        await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=ROUND_S)
    await asyncio.to_thread(execute, url, "VACUUM agentledger.events")
    ((events, runs, state_bytes, disk_bytes),) = await asyncio.to_thread(execute, url, SIZES)
    count = float(str(runs))
    return [
        ("events per run", "", float(str(events)) / count),
        ("bytes of events' state per run", "B", float(str(state_bytes)) / count),
        ("bytes on disk per run", "B", float(str(disk_bytes)) / count),
    ]


async def _kib_per_waiting_run(stage: Stage, number: int) -> float:
    settings = await stage.installation(f"growth_waiting_{number}")
    async with (
        role(stage, settings, "worker") as worker,
        api(stage, settings) as url,
    ):
        headers = tenant_headers(await new_tenant(url, stage.operator_key))
        await start_runs(url, headers, FIVE_STEPS, WARM_UP_RUNS)
        await wait_for_count(settings, OPEN, 0, wait_max_s=WAIT_MAX_S)
        before_bytes = _resident_bytes(worker.pid)
        await start_runs(url, headers, WAITING, WAITING_RUNS)
        await wait_for_count(settings, FAILED, WAITING_RUNS, wait_max_s=WAIT_MAX_S)
        await asyncio.sleep(SETTLE_S)
        return (_resident_bytes(worker.pid) - before_bytes) / WAITING_RUNS / 1024


def _resident_bytes(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss
