"""What usage facts, and a hard budget over them, cost a call: the engine on five calls in a row, in
turn without either, with facts, and with a budget that holds what each call may cost.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import sagas.nodes.llm
from bench.cpu import own_s
from bench.engine import ECHO, STEPS, Engine, chain, engine_of
from bench.report import Figure, Measurement, at_most, in_turn, ratios
from bench.stage import Stage
from commands.budgets import CreateBudget
from domain.attempts import Usage
from domain.identifiers import JsonObject
from domain.money import PICO_PER_USD
from infra.runtime import build_runtime

NAME = "metering"
AT_ONCE = 64
WARM_UP_S = 2.0
# What facts cost is less than what the machine's neighbours do from one second to the next: many
# short rounds in turn tell more than a few long ones.
ROUNDS, ROUND_S = 10, 3.0
# Every step has an intent, as calls of providers have.
CALL: JsonObject = {"config": ECHO}
CALLS = chain([CALL] * STEPS)
COST_MAX_PERCENT = 5.0

# Runs a second, and processor time of the engine's process for a call in microseconds.
Round = tuple[float, float]


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("metering")
    async with build_runtime(settings) as runtime, engine_of(runtime) as engine:
        limited = engine.of_tenant(runtime.ids.new())
        await limited.command(
            CreateBudget("tenant", None, "month", None, None, 10**6 * PICO_PER_USD, "hard", ["0.8"])
        )
        rounds = await in_turn(
            _unmetered(await _contender(stage, engine)),
            await _contender(stage, engine),
            await _contender(stage, limited),
            rounds=ROUNDS,
        )
    none, facts, budget = ([one[0] for one in own] for own in rounds)
    cpu = [[one[1] for one in own] for own in rounds]
    return Measurement(
        NAME,
        f"{STEPS} calls in a row, {AT_ONCE} runs at once, with an intent for each call",
        [
            Figure("without usage facts", "runs/s", none),
            Figure("with usage facts", "runs/s", facts),
            Figure("with a hard budget too", "runs/s", budget),
            Figure("usage facts cost", "%", _percent(none, facts), at_most(COST_MAX_PERCENT)),
            Figure("both cost", "%", _percent(none, budget), at_most(COST_MAX_PERCENT)),
            Figure("  of processor time, facts", "us a call", _more(cpu[0], cpu[1])),
            Figure("  of processor time, both", "us a call", _more(cpu[0], cpu[2])),
        ],
        [
            f"rounds of {ROUND_S:g} s in turn, {ROUNDS} of each, one process, no read models",
            "processor time is the engine's process alone, without PostgreSQL",
            "all calls of one tenant wait for each other's commits on the counter of its budget",
        ],
    )


async def _contender(stage: Stage, engine: Engine) -> Callable[[], Awaitable[Round]]:
    workflow_id = await engine.register(CALLS)
    await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=WARM_UP_S)

    async def one_round() -> Round:
        await stage.settle()
        began_s, began_at = own_s(), time.perf_counter()
        per_s = await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=ROUND_S)
        runs = per_s * (time.perf_counter() - began_at)
        return per_s, (own_s() - began_s) / runs / STEPS * 1e6

    return one_round


def _unmetered(contender: Callable[[], Awaitable[Round]]) -> Callable[[], Awaitable[Round]]:
    async def one_round() -> Round:
        charged = sagas.nodes.llm.charged
        sagas.nodes.llm.charged = _free
        try:
            return await contender()
        finally:
            sagas.nodes.llm.charged = charged

    return one_round


async def _free(call: Any, measured: Any, *_: Any, **__: Any) -> Usage:
    return Usage(call.told, measured.tokens_in, measured.tokens_out)


def _percent(without: list[float], with_it: list[float]) -> list[float]:
    return [100 * (1 - share) for share in ratios(with_it, without)]


def _more(without: list[float], with_it: list[float]) -> list[float]:
    return [mine - other for mine, other in zip(with_it, without, strict=True)]
