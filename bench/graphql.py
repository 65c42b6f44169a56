"""A list of runs through GraphQL: inside the server, and over HTTP.

100,000 rows of 50 tenants, row-level security on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import LiteralString
from uuid import UUID

import orjson
from fastapi import FastAPI
from psycopg import sql
from starlette.types import Message, Scope

from bench.load import Answers, ClosedLoop, closed_loop
from bench.peer_environments import PeerMissing
from bench.postgraphile import VERSION as POSTGRAPHILE
from bench.postgraphile import answers, postgraphile
from bench.report import Figure, Measurement, at_least, at_most, in_turn, ratios
from bench.stage import BenchFailed, Stage, api, execute, new_tenant
from cli.api import build_api_parts
from infra.runtime import build_runtime
from infra.settings import Settings
from projections.executions import EXECUTIONS

NAME = "graphql"
ROWS = 100_000
TENANTS = 50
LIST = 50
CONNECTIONS = 16
ROUND_S = 4.0
CALLS = 300
WARM_UP_CALLS = 30

QUERY = (
    "query Runs($first: Int!) { executions(first: $first) { edges { node {"
    " id status workflowId input output startedAt completedAt durationMs costUsd } } } }"
)
SMALL_QUERY = "query Nothing { __typename }"

# Newest runs have the greatest ids, as UUIDv7 has it.
FILL: LiteralString = """
INSERT INTO agentledger.{table}
  (tenant_id, execution_id, status, workflow_id, workflow_version, definition_hash, created_by,
   input, output, created_at, started_at, completed_at,
   duration_ms, cost_usd_pico, unpriced, is_undone, tokens_in, tokens_out, version)
SELECT CASE WHEN n %% %(tenants)s = 0 THEN %(tenant_id)s
            ELSE md5('tenant' || n %% %(tenants)s)::uuid END,
       uuidv7(make_interval(secs => n - %(rows)s)), 'COMPLETED', md5('workflow' || n %% 7)::uuid, 1,
       md5('definition') || md5('hash'), 'api_key:bench',
       json_build_object('question', 'Which three checks would you run first, and why? ' || n),
       json_build_object('answer', repeat('Compare per attempt, not per call. ', 4)),
       clock_timestamp() + make_interval(secs => n - %(rows)s),
       clock_timestamp() + make_interval(secs => n - %(rows)s + 0.004),
       clock_timestamp() + make_interval(secs => n - %(rows)s + 1.25),
       1246, 47000000, 0, false, 31, 16, 12
  FROM generate_series(1, %(rows)s) AS n
"""
FIND_TENANT: LiteralString = (
    "SELECT tenant_id FROM agentledger.events WHERE topic = 'tenant.created'"
)


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("graphql")
    async with api(stage, settings) as url, build_runtime(settings) as runtime:
        key = await new_tenant(url, stage.operator_key)
        await asyncio.to_thread(fill, settings)
        app = (await build_api_parts(runtime)).app
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        ask = InProcess(app, headers)
        await require_whole_list(ask)

        async def inside() -> float:
            return await ask.p50_ms(QUERY)

        async def nothing_inside() -> float:
            return await ask.p50_ms(SMALL_QUERY)

        async def outside() -> Answers:
            return await closed_loop(_order(url, headers, QUERY, CONNECTIONS))

        async def nothing_outside() -> Answers:
            return await closed_loop(_order(url, headers, SMALL_QUERY, CONNECTIONS))

        lists, nothings = await in_turn(inside, nothing_inside)
        seen_nothing = (await in_turn(nothing_outside))[0]
        peer, missing = await beside_postgraphile(settings, outside)
        seen = [round_of[0] for round_of in peer] if peer else (await in_turn(outside))[0]
    return Measurement(
        NAME,
        f"list of {LIST} runs x 9 fields, {ROWS:,} rows, {TENANTS} tenants, row-level security on",
        [
            Figure("inside the server, one caller, p50", "ms", lists, at_most(4.0)),
            Figure("  a query without SQL, p50", "ms", nothings),
            Figure(f"over HTTP, {CONNECTIONS} connections", "requests/s", [a.per_s for a in seen]),
            Figure("  p50", "ms", [a.p50_ms for a in seen]),
            Figure("  p99", "ms", [a.p99_ms for a in seen]),
            Figure("  a query without SQL", "requests/s", [a.per_s for a in seen_nothing]),
            *_beside(peer),
        ],
        [
            "inside the server: the web application, called in this process, with authentication",
            (
                "PostGraphile: one process; its role and tenant are set per request, and nobody is"
                " authenticated; our server authenticates, limits and audits each request"
            ),
            *([] if missing is None else [f"PostGraphile could not be measured: {missing}"]),
        ],
    )


def _beside(rounds: Sequence[tuple[Answers, Answers]]) -> list[Figure]:
    """rounds: ours and PostGraphile's; none, where it could not be measured."""
    if not rounds:
        return []
    ours, theirs = [one[0].per_s for one in rounds], [one[1] for one in rounds]
    per_s = [one.per_s for one in theirs]
    return [
        Figure(f"PostGraphile {POSTGRAPHILE}, as many connections", "requests/s", per_s),
        Figure("  p50", "ms", [one.p50_ms for one in theirs]),
        Figure("  p99", "ms", [one.p99_ms for one in theirs]),
        Figure("ours to PostGraphile's", "times", ratios(ours, per_s), at_least(1.0)),
    ]


async def beside_postgraphile(
    settings: Settings, ours: Callable[[], Awaitable[Answers]]
) -> tuple[list[tuple[Answers, Answers]], str | None]:
    """Rounds of both in turn, ours first; or why there are none."""
    assert settings.database_url is not None
    ((tenant_id,),) = await asyncio.to_thread(execute, settings.database_url, FIND_TENANT)
    try:
        async with postgraphile(settings, tenant_id) as peer_url:

            async def theirs() -> Answers:
                return await answers(
                    peer_url, first=LIST, connections=CONNECTIONS, duration_s=ROUND_S
                )

            return list(zip(*await in_turn(ours, theirs), strict=True)), None
    except PeerMissing as reason:
        return [], str(reason)


def fill(settings: Settings, *, tenants: int = TENANTS) -> None:
    """ROWS runs, an equal part of them the one tenant's."""
    assert settings.database_url is not None
    ((tenant_id,),) = execute(settings.database_url, FIND_TENANT)
    assert isinstance(tenant_id, UUID)
    table = sql.Identifier(EXECUTIONS.table)
    fill = sql.SQL(FILL).format(table=table)
    numbers = {"tenants": tenants, "rows": ROWS, "tenant_id": tenant_id}
    execute(settings.database_url, fill, numbers)
    execute(settings.database_url, sql.SQL("VACUUM ANALYZE agentledger.{}").format(table))


class InProcess:
    """Calls the web application as its server would, one request at a time."""

    def __init__(self, app: FastAPI, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def p50_ms(
        self, query: str, *, calls: int = CALLS, warm_up_calls: int = WARM_UP_CALLS
    ) -> float:
        for _ in range(warm_up_calls):
            await self.ask(query)
        taken_s: list[float] = []
        for _ in range(calls):
            began_at = time.perf_counter()
            await self.ask(query)
            taken_s.append(time.perf_counter() - began_at)
        return median(taken_s) * 1000

    async def ask(self, query: str) -> bytes:
        """The answer's body. Raises BenchFailed when it is no success."""
        body = request_body(query)
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent)
        if sent[0]["status"] != 200 or b'"errors"' in answer:
            raise BenchFailed(f"GraphQL answered {sent[0]['status']}: {answer[:300]!r}")
        return answer


async def require_whole_list(ask: InProcess) -> None:
    """A list that came back short would be fast for the wrong reason."""
    answer = orjson.loads(await ask.ask(QUERY))
    edges = answer["data"]["executions"]["edges"]
    if len(edges) != LIST or any(value is None for value in edges[0]["node"].values()):
        raise BenchFailed(f"the list holds {len(edges)} runs, the first is {edges[:1]}")


def request_body(query: str) -> bytes:
    if query == QUERY:
        return orjson.dumps({"query": query, "variables": {"first": LIST}})
    return orjson.dumps({"query": query})


def _order(url: str, headers: dict[str, str], query: str, connections: int) -> ClosedLoop:
    return ClosedLoop(
        url,
        "/graphql",
        headers,
        request_body(query).decode(),
        status=200,
        connections=connections,
        duration_s=ROUND_S,
        contains='"data":{',
    )
