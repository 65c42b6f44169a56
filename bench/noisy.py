"""What a tenant with ten thousand queued runs does to the runs of another tenant.

The quiet tenant runs five steps, each run when the one before has ended, in `agentledger up`: first
alone, then beside the noisy tenant, whose runs were queued while no worker ran. Its models answer
at once, so it takes whatever processor time it gets, and it has work left when the quiet one ends.
"""

import time
from dataclasses import dataclass
from typing import LiteralString

import orjson

from bench.engine import FIVE_STEPS, INPUT, QUESTION, REPEATABLE, RUN_WAIT_S, STEPS, chain
from bench.load import Answers, ClosedLoop, closed_loop
from bench.many_runs import start_runs, tenant_headers
from bench.report import ROUNDS, Figure, Measurement, at_most, ratios
from bench.stage import BenchFailed, Stage, api, everything, execute, new_tenant, post, role
from bench.whole_product import caught_up_s
from domain.identifiers import JsonObject
from infra.settings import Settings

NAME = "noisy"
QUEUED = 10_000
# Fewer at the end would mean that the quiet tenant was alone for a part of the time.
STILL_OPEN_MIN = 2_000
P99_RATIO_MAX = 2.0
ROUND_S = 8.0
# The worker takes up what was queued meanwhile, once.
WARM_UP_S = 3.0
CALL_S = 0.1
CALLERS = 8
SLOW_STEP: JsonObject = {
    "config": {
        "model": "offline/script",
        "prompt": "{{ input.question }}",
        "parameters": {"script": [{"text": QUESTION, "delay_s": CALL_S}]},
    },
    **REPEATABLE,
}

COUNTS: LiteralString = (
    "SELECT noisy.open_count, (SELECT count(*) FROM agentledger.events AS e"
    " WHERE e.tenant_id = noisy.tenant_id AND e.topic = 'execution.node_completed')"
    " FROM (SELECT tenant_id, count(*) AS open_count FROM agentledger.open_executions"
    " GROUP BY tenant_id ORDER BY open_count DESC LIMIT 1) AS noisy"
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """at_once: one run after the other, its models answer at once. calling: CALLERS such, with
    model calls that take CALL_S.
    """

    at_once: Answers
    calling: Answers


@dataclass(frozen=True, slots=True)
class _Round:
    """steps_per_s: of the noisy tenant, beside the other. open_count: of its runs, at the end."""

    alone: _Seen
    beside: _Seen
    steps_per_s: float
    open_count: int


async def measure(stage: Stage) -> Measurement:
    rounds = [await _one_round(stage, number) for number in range(ROUNDS)]
    return Measurement(
        NAME,
        f"runs of {STEPS} steps beside a tenant with {QUEUED:,} queued runs",
        [
            *_figures(
                "models that answer at once, one run after the other",
                [(one.alone.at_once, one.beside.at_once) for one in rounds],
            ),
            *_figures(
                f"model calls of {CALL_S * 1000:.0f} ms, {CALLERS} runs at once",
                [(one.alone.calling, one.beside.calling) for one in rounds],
            ),
            Figure("the noisy tenant meanwhile", "steps/s", [one.steps_per_s for one in rounds]),
            Figure("  its runs open at the end", "", [one.open_count for one in rounds]),
        ],
        [
            "`agentledger up`, settings by default; POST ...?wait_s=, the result is checked",
            f"the noisy tenant's runs: {STEPS} llm nodes on offline/echo, queued through REST",
            "both tenants, PostgreSQL and the read models share the cores: where one run alone",
            "  keeps them busy, an equal share of them is half, and the ratio 2 by itself",
        ],
    )


def _figures(what: str, pairs: list[tuple[Answers, Answers]]) -> list[Figure]:
    alone, beside = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    alone_ms, beside_ms = ([one.p99_ms for one in seen] for seen in (alone, beside))
    return [
        Figure(f"{what}: alone, p50", "ms", [one.p50_ms for one in alone]),
        Figure("  p99", "ms", alone_ms),
        Figure("  beside the noisy tenant, p50", "ms", [one.p50_ms for one in beside]),
        Figure("  p99", "ms", beside_ms),
        Figure("  p99 beside / p99 alone", "", ratios(beside_ms, alone_ms), at_most(P99_RATIO_MAX)),
    ]


async def _one_round(stage: Stage, number: int) -> _Round:
    settings = await stage.installation(f"noisy_{number}")
    async with everything(stage, settings) as (url, key):
        noisy = await new_tenant(url, stage.operator_key)
        workflow_ids = [
            await _new_workflow(url, key, definition)
            for definition in (FIVE_STEPS, chain([SLOW_STEP] * STEPS))
        ]
        await stage.settle()
        alone = await _see(url, key, workflow_ids)
    # Without a worker: when the measurement begins, all of them wait.
    async with api(stage, settings) as url, role(stage, settings, "projector"):
        await start_runs(url, tenant_headers(noisy), FIVE_STEPS, QUEUED)
        await caught_up_s(settings)
    await stage.settle()
    _, steps_before = _noisy_counts(settings)
    async with everything(stage, settings) as (url, key):
        began_at = time.perf_counter()
        beside = await _see(url, key, workflow_ids)
        took_s = time.perf_counter() - began_at
        open_count, steps_after = _noisy_counts(settings)
    steps = steps_after - steps_before
    if steps == 0 or open_count < STILL_OPEN_MIN:
        raise BenchFailed(f"the noisy tenant made {steps} steps, {open_count} runs were left")
    return _Round(alone, beside, steps / took_s, open_count)


async def _new_workflow(url: str, key: str, definition: JsonObject) -> str:
    body: JsonObject = {"name": "Quiet", "definition": definition}
    answer = await post(url, "/api/v1/workflows", body, tenant_headers(key))
    return str(answer["workflow_id"])


async def _see(url: str, key: str, workflow_ids: list[str]) -> _Seen:
    at_once, calling = workflow_ids
    return _Seen(
        await closed_loop(_runs(url, key, at_once, connections=1)),
        await closed_loop(_runs(url, key, calling, connections=CALLERS)),
    )


def _runs(url: str, key: str, workflow_id: str, *, connections: int) -> ClosedLoop:
    return ClosedLoop(
        url,
        f"/api/v1/workflows/{workflow_id}/execute?wait_s={RUN_WAIT_S}",
        tenant_headers(key),
        orjson.dumps({"input": INPUT}).decode(),
        status=200,
        connections=connections,
        duration_s=ROUND_S,
        warm_up_s=WARM_UP_S,
        contains=f'"status":"COMPLETED","output":"{QUESTION}"',
    )


def _noisy_counts(settings: Settings) -> tuple[int, int]:
    """Of the tenant that has most of them: its open runs, and the steps they have made."""
    assert settings.database_url is not None
    open_count, steps = execute(settings.database_url, COUNTS)[0]
    assert isinstance(open_count, int)
    assert isinstance(steps, int)
    return open_count, steps
