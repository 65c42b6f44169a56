"""How long after a command was acknowledged a reader sees it through GraphQL.

Twice: over Kafka with a process for each of api, relay and projector; and with every role as
`agentledger up` has them, without Kafka.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from uuid import uuid4

import orjson

from bench.append import PROFILE
from bench.load import Latencies, OpenLoop, Overloaded, open_loop
from bench.report import Figure, Measurement, Target, at_most, in_turn
from bench.stage import BenchFailed, Stage, api, everything, new_tenant, role
from infra.settings import Settings

NAME = "visible"
RATES = (10, 200, 1000)
TARGET_RATE = 200
ROUND_S = 4.0
WARM_UP_S = 2.0
# What is looked for; looking for more would measure how many reads the API answers.
READS_PER_S_MAX = 200
# A topic that was just made needs a moment, and so does the backlog of a round that was too much.
IDLE_TRIES = 10
QUERY = "query Seen($id: ID!) { agent(id: $id) { id } }"


class Broker(Protocol):
    bootstrap_servers: str

    def stop(self) -> None: ...


class NoBroker(BenchFailed):
    """There is no Kafka here, and none could be started."""


async def measure(stage: Stage) -> Measurement:
    figures: list[Figure] = []
    async with over_kafka(stage, "visible_kafka", ("relay", "projector")) as (_, url, key):
        figures += await _rounds("Kafka", url, key, is_target=True)
    settings = await stage.installation("visible_up")
    async with everything(stage, settings) as (url, key):
        figures += await _rounds("up", url, key, is_target=False)
    return Measurement(
        NAME,
        "command acknowledged -> visible through GraphQL",
        figures,
        [
            "commands are POST /api/v1/agents at fixed times, whatever the server does",
            "the reader asks once, with X-Min-Position, as soon as it holds the acknowledgement",
            f"at more than {READS_PER_S_MAX} commands/s every n-th is looked for",
            "Kafka: processes for api, relay and projector, and a real broker on the same cores",
            "up: every role as `agentledger up` has them, the log is PostgreSQL",
            f"at {RATES[0]}/s a round is {RATES[0] * ROUND_S:.0f} commands, its p99 the slowest",
        ],
    )


@asynccontextmanager
async def over_kafka(
    stage: Stage, name: str, roles: Sequence[str]
) -> AsyncIterator[tuple[Settings, str, str]]:
    """Settings, the URL of the API and a tenant's key. roles: the processes beside the API."""
    broker = await asyncio.to_thread(any_broker)
    try:
        settings = (await stage.installation(name)).model_copy(
            update={
                "kafka_bootstrap_servers": broker.bootstrap_servers,
                "kafka_topic": f"agentledger.bench.{uuid4().hex}",
            }
        )
        async with AsyncExitStack() as processes:
            for beside in roles:
                await processes.enter_async_context(role(stage, settings, beside))
            url = await processes.enter_async_context(api(stage, settings))
            yield settings, url, await new_tenant(url, stage.operator_key)
    finally:
        await asyncio.to_thread(broker.stop)


def any_broker() -> Broker:
    """The broker of KAFKA_BOOTSTRAP_SERVERS, or one of our own. Raises NoBroker."""
    try:
        return importlib.import_module("tests.kafka_broker").any_broker()
    except Exception as error:
        raise NoBroker(f"no Kafka broker: {error}") from error


async def _rounds(where: str, url: str, key: str, *, is_target: bool) -> list[Figure]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    await _wait_until_idle(url, headers)
    await _latencies(_order(url, headers, TARGET_RATE, WARM_UP_S))

    def at(rate: float) -> Callable[[], Awaitable[Latencies | None]]:
        async def one_round() -> Latencies | None:
            await _wait_until_idle(url, headers)
            return await _latencies(_order(url, headers, rate, ROUND_S))

        return one_round

    of_rates = await in_turn(*(at(rate) for rate in RATES))
    figures: list[Figure] = []
    for rate, rounds in zip(RATES, of_rates, strict=True):
        seen = [latencies for latencies in rounds if latencies is not None]
        overloads = len(rounds) - len(seen)
        if overloads and rate <= TARGET_RATE:
            raise BenchFailed(f"{where}: {rate} commands/s were too many in {overloads} rounds")
        if overloads:
            figures.append(Figure(f"{where}, {rate:,} commands/s: too many", "rounds", [overloads]))
        else:
            figures += _figures(where, rate, seen, is_target=is_target and rate == TARGET_RATE)
    return figures


async def _latencies(order: OpenLoop) -> Latencies | None:
    """None when the server could not keep up."""
    try:
        return await open_loop(order)
    except Overloaded:
        return None


async def _wait_until_idle(url: str, headers: dict[str, str]) -> None:
    """Until a single command becomes visible in time: all parts run, and no backlog is left."""
    for _ in range(IDLE_TRIES):
        if await _latencies(_order(url, headers, 1, 1)) is not None:
            return
    raise BenchFailed("commands do not become visible")


def _figures(where: str, rate: int, seen: Sequence[Latencies], *, is_target: bool) -> list[Figure]:
    def target(limit_ms: float) -> Target | None:
        return at_most(limit_ms) if is_target else None

    at = f"{where}, {rate:,} commands/s:"
    return [
        Figure(f"{at} acknowledged, p50", "ms", [s.acknowledged_p50_ms for s in seen]),
        Figure("  acknowledged, p99", "ms", [s.acknowledged_p99_ms for s in seen]),
        Figure("  visible after that, p50", "ms", [s.visible_p50_ms for s in seen], target(15)),
        Figure("  visible after that, p95", "ms", [s.visible_p95_ms for s in seen]),
        Figure("  visible after that, p99", "ms", [s.visible_p99_ms for s in seen], target(50)),
    ]


def _order(url: str, headers: dict[str, str], per_s: float, duration_s: float) -> OpenLoop:
    return OpenLoop(
        url,
        "/api/v1/agents",
        headers,
        orjson.dumps(PROFILE).decode(),
        query=QUERY,
        id_field="agent_id",
        per_s=per_s,
        duration_s=duration_s,
        read_every=max(1, round(per_s / READS_PER_S_MAX)),
    )
