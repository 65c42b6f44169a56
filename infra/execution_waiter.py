"""Waiting for the end of a run, for callers that ask for the result in the same request.

worker of this process ──► ended() ──► wait_for_end()
worker of another      ──► tail: a closing topic ──► the last event ──┘
"""

import asyncio
from base64 import b64decode
from collections import OrderedDict
from typing import LiteralString
from uuid import UUID

import orjson

from domain.execution_status import cancellation
from domain.identifiers import Json, JsonObject, TenantId
from domain.payloads import is_inline
from infra.blobs import Blobs
from infra.closing_topics import STATUS_OF_CLOSING_TOPIC
from infra.event_sealing import EventSeals, StoredFact
from infra.postgres import Database
from infra.tail import Tail

# Who hears nothing of a run for so long looks whether it ended before anybody listened.
SILENCE_S = 0.25
RECHECK_S = 1.0
# For who comes to wait a moment after the end. Large results are read back.
RECENT_MAX = 256


# fmt: off
# undone: the event that began the undoing of a run tells why it was undone.
LAST_EVENT: LiteralString = (
    "SELECT json_build_object('topic', topic, 'version', originator_version,"
    " 'state', encode(state, 'base64'),"
    " 'undone', (SELECT json_build_object('topic', u.topic, 'version', u.originator_version,"
    "    'state', encode(u.state, 'base64')) FROM events AS u"
    "   WHERE u.originator_id = e.originator_id AND u.topic = 'execution.compensation_started'"
    "   AND e.topic IN ('execution.compensated', 'execution.attention_needed')"
    "   ORDER BY u.originator_version DESC LIMIT 1))"
    " FROM events AS e WHERE originator_id = ($1->>'id')::uuid"
    " AND topic <> 'execution.payloads_removed'"
    " ORDER BY originator_version DESC LIMIT 1"
)
# fmt: on


class ExecutionWaiter:
    """Keeps the results of the runs that ended last in this process, at most RECENT_MAX."""

    def __init__(self, database: Database, tail: Tail, blobs: Blobs, seals: EventSeals) -> None:
        self._database = database
        self._seals = seals
        self._blobs = blobs
        self._tail = tail
        # By the number of the run: to hash a UUID is a function of Python's.
        self._recent: OrderedDict[int, JsonObject] = OrderedDict()

    def ended(self, execution_id: UUID, result: JsonObject) -> None:
        """A run of this process ended and its last event is stored; whoever waits gets `result`,
        which is in the form of wait_for_end.
        """
        if is_inline(result):
            self._recent[execution_id.int] = result
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        self._tail.wake(execution_id)

    async def wait_for_end(
        self, tenant_id: TenantId, execution_id: UUID, timeout_s: float
    ) -> JsonObject | None:
        """{execution_id, status, output, error} of a run that ended in time, else None.

        execution_id: as a command of this tenant answered it; results of this process are told
        without asking whose they are.
        """
        result = self._recent.get(execution_id.int)
        if result is not None:
            return result
        ends_at = asyncio.get_running_loop().time() + timeout_s
        try:
            return await self._wait(tenant_id, execution_id, ends_at)
        except TimeoutError:
            return None

    async def _wait(
        self, tenant_id: TenantId, execution_id: UUID, ends_at: float
    ) -> JsonObject | None:
        loop = asyncio.get_running_loop()
        pause_s = SILENCE_S
        with self._tail.subscribe(
            tenant_id=tenant_id, stream_id=execution_id, topics=STATUS_OF_CLOSING_TOPIC
        ) as news:
            while (left_s := ends_at - loop.time()) > 0:
                is_news = await news.wait(min(pause_s, left_s))
                result = self._recent.get(execution_id.int)
                if result is not None:
                    return result
                if not is_news and news.is_following:
                    continue  # It goes on, and we shall hear of its end.
                async with asyncio.timeout_at(ends_at):
                    result = await self._read(tenant_id, execution_id)
                if result is not None:
                    return result
                pause_s = RECHECK_S
        return None

    async def _read(self, tenant_id: TenantId, execution_id: UUID) -> JsonObject | None:
        """The result as the last event tells it; None while the run goes on."""
        found = await self._database.tenant_json(tenant_id, LAST_EVENT, {"id": str(execution_id)})
        if found is None:
            return None
        last = orjson.loads(found)
        status = STATUS_OF_CLOSING_TOPIC.get(last["topic"])
        if status is None:
            return None
        state = await self._fact(tenant_id, execution_id, last)
        failure: Json = None
        if last["undone"] is not None:
            failure = (await self._fact(tenant_id, execution_id, last["undone"]))["error"]
        output = await self._blobs.whole(tenant_id, state.get("output"))
        return _result(execution_id, status, {**state, "output": output}, failure)

    async def _fact(
        self, tenant_id: TenantId, execution_id: UUID, stored: JsonObject
    ) -> JsonObject:
        """What is in an event, as LAST_EVENT tells it. Raises KeyDestroyed."""
        sealed = StoredFact(
            tenant_id,
            execution_id,
            version=int(str(stored["version"])),
            topic=str(stored["topic"]),
            state=b64decode(str(stored["state"])),
        )
        return orjson.loads(await self._seals.opened_fact(sealed))


def _result(execution_id: UUID, status: str, state: JsonObject, failure: Json) -> JsonObject:
    error = failure
    if status == "FAILED":
        error = {name: state.get(name) for name in ("code", "message", "path", "attempt")}
    elif status == "CANCELLED":
        error = cancellation(state.get("reason"))
    return {
        "execution_id": str(execution_id),
        "status": status,
        "output": state.get("output"),
        "error": error,
    }
