"""Many executions of one workflow begun over REST, for measurements of what is under way."""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import LiteralString

import orjson
import psycopg

from bench.engine import INPUT
from bench.http_client import Address, Connection, request_bytes
from bench.stage import BenchFailed, post
from domain.identifiers import JsonObject
from infra.settings import Settings

CONNECTIONS = 32
POLL_S = 0.02


def tenant_headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}


async def start_runs(
    url: str, headers: Mapping[str, str], definition: JsonObject, count: int
) -> str:
    """The id of a new workflow, of which so many runs were accepted."""
    body: JsonObject = {"name": "Many", "definition": definition}
    workflow_id = str((await post(url, "/api/v1/workflows", body, headers))["workflow_id"])
    path = f"/api/v1/workflows/{workflow_id}/execute"
    request = request_bytes("POST", path, headers, orjson.dumps({"input": INPUT}))
    left = iter(range(count))

    async def start_some() -> None:
        connection = await Connection.open(Address.of(url))
        for _ in left:
            status, answer = await connection.ask(request)
            if status != HTTPStatus.ACCEPTED:
                raise BenchFailed(f"a run was not accepted: {status} {answer[:300]!r}")
        connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(start_some())
    return workflow_id


async def wait_for_count(
    settings: Settings, query: LiteralString, count: int, *, wait_max_s: float
) -> None:
    """Until a query, asked as the superuser, answers with that number."""
    assert settings.database_url is not None
    deadline = time.perf_counter() + wait_max_s
    seen: object = None
    async with await psycopg.AsyncConnection.connect(
        settings.database_url, autocommit=True
    ) as conn:
        while time.perf_counter() < deadline:
            seen = await (await conn.execute(query)).fetchone()
            if seen == (count,):
                return
            await asyncio.sleep(POLL_S)
    raise BenchFailed(f"{seen} instead of {count} after {wait_max_s:.0f} s: {query}")
