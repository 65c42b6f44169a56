"""Durable commands over HTTP, beside a route that stores nothing on the same web server."""

import orjson

from bench.append import PROFILE
from bench.load import Answers, ClosedLoop, closed_loop
from bench.report import Figure, Measurement, at_least, in_turn, ratios
from bench.stage import Stage, api, new_tenant, web_process

NAME = "rest"
CONNECTIONS = 64
ROUND_S = 5.0
JSON = {"Content-Type": "application/json"}


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("rest")
    async with (
        api(stage, settings) as url,
        web_process(
            "bench.noop_server",
            environment=stage.environment(settings),
            log=settings.data_dir / "noop.log",
        ) as noop_url,
    ):
        key = await new_tenant(url, stage.operator_key)
        headers = {**JSON, "Authorization": f"Bearer {key}"}

        async def ours() -> Answers:
            await stage.settle()
            return await closed_loop(_order(url, "/api/v1/agents", headers))

        async def noop() -> Answers:
            return await closed_loop(_order(noop_url, "/agents", headers))

        mine, theirs = await in_turn(ours, noop)
    my_rates, their_rates = ([a.per_s for a in seen] for seen in (mine, theirs))
    return Measurement(
        NAME,
        f"durable commands over HTTP, {CONNECTIONS} keep-alive connections",
        [
            Figure("POST /api/v1/agents, stored when answered", "requests/s", my_rates),
            Figure("  p50", "ms", [a.p50_ms for a in mine]),
            Figure("  p99", "ms", [a.p99_ms for a in mine]),
            Figure("FastAPI route that stores nothing", "requests/s", their_rates),
            Figure("  p50", "ms", [a.p50_ms for a in theirs]),
            Figure("  p99", "ms", [a.p99_ms for a in theirs]),
            Figure(
                "ours / route that stores nothing",
                "",
                ratios(my_rates, their_rates),
                at_least(0.35),
            ),
        ],
        [
            "ours is `agentledger serve --role api`",
            "the other route runs in a second process on the same web server, cli/web_server.py",
            "it parses the same body into the same pydantic model, and answers 201 as well",
            "client, server and PostgreSQL share the cores",
        ],
    )


def _order(url: str, path: str, headers: dict[str, str]) -> ClosedLoop:
    return ClosedLoop(
        url,
        path,
        headers,
        orjson.dumps(PROFILE).decode(),
        status=201,
        connections=CONNECTIONS,
        duration_s=ROUND_S,
    )
