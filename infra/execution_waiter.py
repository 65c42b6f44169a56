"""Waiting for the end of a run, for callers that ask for the result in the same request."""

import asyncio
from uuid import UUID

import orjson

from domain.identifiers import JsonObject, TenantId
from infra.event_log import read_stream
from infra.postgres import Database
from infra.tail import Tail

PAGE = 500
RECHECK_S = 1.0

STATUS_OF_LAST_TOPIC = {
    "execution.completed": "COMPLETED",
    "execution.failed": "FAILED",
    "execution.cancelled": "CANCELLED",
}


class ExecutionWaiter:
    def __init__(self, database: Database, tail: Tail) -> None:
        self._database = database
        self._tail = tail

    async def wait_for_end(
        self, tenant_id: TenantId, execution_id: UUID, timeout_s: float
    ) -> JsonObject | None:
        """{execution_id, status, output, error} of a run that ended in time, else None."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._wait(tenant_id, execution_id)
        except TimeoutError:
            return None

    async def _wait(self, tenant_id: TenantId, execution_id: UUID) -> JsonObject:
        version = 0
        async with self._tail.subscribe(tenant_id=tenant_id, stream_id=execution_id) as news:
            while True:
                page = await read_stream(
                    self._database, tenant_id, execution_id, after_version=version, limit=PAGE
                )
                for event in page:
                    version = event.version
                    status = STATUS_OF_LAST_TOPIC.get(event.topic)
                    if status is not None:
                        return _result(execution_id, status, orjson.loads(event.state))
                if len(page) < PAGE:
                    await news.wait(RECHECK_S)


def _result(execution_id: UUID, status: str, state: JsonObject) -> JsonObject:
    error: JsonObject | None = None
    if status == "FAILED":
        error = {name: state.get(name) for name in ("code", "message", "path", "attempt")}
    return {
        "execution_id": str(execution_id),
        "status": status,
        "output": state.get("output"),
        "error": error,
    }
