"""What somebody who tries passwords does to the commands of others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

from bench.append import PROFILE
from bench.load import Latencies, OpenLoop, open_loop
from bench.report import ROUNDS, Figure, Measurement, at_most, ratios
from bench.stage import Stage, everything, new_tenant, process
from bench.visible import QUERY
from infra.settings import Settings

NAME = "logins"
LOGINS_PER_S = 200
COMMANDS_PER_S = 50
ROUND_S = 5.0
P99_RATIO_MAX = 2.0
REFUSED = "401"
LIMITED = ("429", "503")


@dataclass(frozen=True, slots=True)
class _Attacked:
    commands: Latencies
    answers: dict[str, int]


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("logins")
    # Each login comes from an address of its own, or the limits per address would answer alone.
    proxies = {"AGENTLEDGER_TRUSTED_PROXIES": "127.0.0.1"}
    async with everything(stage, settings, proxies) as (url, _):
        key = await new_tenant(url, stage.operator_key)
        order = _commands(url, key)
        await open_loop(order)
        alone: list[Latencies] = []
        attacked: list[_Attacked] = []
        for _ in range(ROUNDS):
            await stage.settle()
            alone.append(await open_loop(order))
            async with _attack(stage, settings, url) as answers:
                commands = await open_loop(order)
            attacked.append(_Attacked(commands, await answers))
    alone_ms = [one.acknowledged_p99_ms for one in alone]
    beside_ms = [one.commands.acknowledged_p99_ms for one in attacked]
    answers = [one.answers for one in attacked]
    return Measurement(
        NAME,
        f"commands beside {LOGINS_PER_S} logins/s with wrong passwords",
        [
            Figure("commands alone, p50", "ms", [one.acknowledged_p50_ms for one in alone]),
            Figure("  p99", "ms", alone_ms),
            Figure(
                "beside the logins, p50",
                "ms",
                [one.commands.acknowledged_p50_ms for one in attacked],
            ),
            Figure("  p99", "ms", beside_ms),
            Figure(
                "  p99 beside / p99 alone", "", ratios(beside_ms, alone_ms), at_most(P99_RATIO_MAX)
            ),
            Figure("logins that were looked at", "", [one.get(REFUSED, 0) for one in answers]),
            Figure(
                "logins that were turned away",
                "",
                [sum(one.get(status, 0) for status in LIMITED) for one in answers],
            ),
        ],
        [
            f"`agentledger up`; POST /api/v1/agents, {COMMANDS_PER_S}/s, at fixed times",
            "each login from an address of its own, by X-Forwarded-For of a trusted proxy; every",
            "  second one of an account that exists; bcrypt with the cost of the default",
            "client, attacker, server and PostgreSQL share the cores",
        ],
    )


def _commands(url: str, key: str) -> OpenLoop:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return OpenLoop(
        url,
        "/api/v1/agents",
        headers,
        orjson.dumps(PROFILE).decode(),
        QUERY,
        "agent_id",
        COMMANDS_PER_S,
        ROUND_S,
        # What is measured is the acknowledgement; one read shows that the rest goes on.
        read_every=COMMANDS_PER_S,
    )


@asynccontextmanager
async def _attack(
    stage: Stage, settings: Settings, url: str
) -> AsyncIterator["asyncio.Task[dict[str, int]]"]:
    """Under way when the block begins. Gives how often each status was answered."""
    arguments = ("bench.login_attack", url, str(LOGINS_PER_S), str(ROUND_S + 1))
    log = settings.data_dir / "attack.log"
    async with process(*arguments, environment=stage.environment(settings), log=log) as started:
        assert started.stdout is not None
        answers = asyncio.create_task(_answers(started.stdout))
        yield answers
        await answers


async def _answers(stdout: asyncio.StreamReader) -> dict[str, int]:
    return orjson.loads(await stdout.read())
