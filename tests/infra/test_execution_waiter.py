"""Waiting for the end of a run: told by the worker of this process, or found in the log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString, cast
from uuid import UUID

import pytest

from commands.ports import OpenedExecution
from domain.envelope import Envelope
from domain.execution_commands import cancel
from domain.execution_parts import NO_ORIGIN
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from infra.execution_waiter import RECENT_MAX, SILENCE_S, ExecutionWaiter
from infra.postgres import Database
from infra.tail import Tail
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, until

WAIT_S = 60.0


@dataclass
class Waiting:
    parts: Parts
    tail: Tail
    waiter: ExecutionWaiter
    tenant_id: TenantId

    async def begun(self) -> Execution:
        execution = Execution._create(  # the library's documented way to choose the id
            Execution.Created,
            id=IDS.new(),
            workflow_id=None,
            workflow_version=None,
            agent_id=None,
            definition_hash="hash",
            input=None,
            created_by="test",
            **NO_ORIGIN,
        )
        await self.stored(execution, OpenedExecution(execution.id))
        return execution

    async def stored(self, execution: Execution, *side_rows: OpenedExecution) -> None:
        envelope = Envelope(self.tenant_id, "test")
        await self.parts.store.append([execution], envelope, side_rows=side_rows)

    def end_of(self, execution_id: UUID) -> "asyncio.Task[JsonObject | None]":
        return asyncio.create_task(self.waiter.wait_for_end(self.tenant_id, execution_id, WAIT_S))


@pytest.fixture
async def waiting(parts: Parts) -> AsyncIterator[Waiting]:
    tail = Tail(
        await parts.database("tail"),
        parts.wakeups,
        poll_min_s=0.005,
        poll_max_s=0.05,
        on_place=lambda _stream, _version: None,
    )
    running = asyncio.create_task(tail.run())
    waiter = ExecutionWaiter(await parts.database("api"), tail, parts.blobs, parts.seals)
    yield Waiting(parts, tail, waiter, TenantId(IDS.new()))
    running.cancel()


async def test_an_end_in_another_process_is_read_from_the_log(waiting: Waiting) -> None:
    execution = await waiting.begun()
    end = waiting.end_of(execution.id)
    await until(lambda: waiting.tail.subscriptions_count() == 1, "the subscription")
    cancel(execution, "enough")
    await waiting.stored(execution)
    assert await end == {
        "execution_id": str(execution.id),
        "status": "CANCELLED",
        "output": None,
        "error": {"code": "cancelled", "message": "enough"},
    }


async def test_an_end_before_anybody_waited_is_found(waiting: Waiting) -> None:
    execution = await waiting.begun()
    cancel(execution, None)
    await waiting.stored(execution)
    ended = await waiting.end_of(execution.id)
    assert ended is not None
    assert ended["status"] == "CANCELLED"


async def test_an_end_in_this_process_is_told_and_not_read(waiting: Waiting) -> None:
    execution = await waiting.begun()
    told: JsonObject = {"execution_id": str(execution.id), "status": "COMPLETED"}
    end = waiting.end_of(execution.id)
    await until(lambda: waiting.tail.subscriptions_count() == 1, "the subscription")
    waiting.waiter.ended(execution.id, told)
    assert await end is told
    assert await waiting.end_of(execution.id) is told


async def test_a_run_that_goes_on_has_no_end_in_time(waiting: Waiting) -> None:
    execution = await waiting.begun()
    assert await waiting.waiter.wait_for_end(waiting.tenant_id, execution.id, 0.2) is None
    assert waiting.tail.subscriptions_count() == 0


async def test_another_tenants_run_has_no_end(waiting: Waiting) -> None:
    execution = await waiting.begun()
    cancel(execution, None)
    await waiting.stored(execution)
    stranger = TenantId(IDS.new())
    assert await waiting.waiter.wait_for_end(stranger, execution.id, 0.2) is None


async def test_only_the_newest_results_are_kept(waiting: Waiting) -> None:
    first, *others = [IDS.new() for _ in range(RECENT_MAX + 1)]
    for execution_id in (first, *others):
        waiting.waiter.ended(execution_id, {"status": "COMPLETED"})
    ends = [
        await waiting.waiter.wait_for_end(waiting.tenant_id, execution_id, 0)
        for execution_id in (first, *others)
    ]
    assert ends == [None, *[{"status": "COMPLETED"}] * RECENT_MAX]


async def test_only_news_of_its_topics_wake_a_subscription(waiting: Waiting) -> None:
    execution = await waiting.begun()
    tail, tenant_id = waiting.tail, waiting.tenant_id
    with (
        tail.subscribe(tenant_id=tenant_id, stream_id=execution.id) as every,
        tail.subscribe(
            tenant_id=tenant_id, stream_id=execution.id, topics={"execution.cancelled"}
        ) as cancelled,
    ):
        execution.trigger_event(Execution.Started)
        await waiting.stored(execution)
        await every.wait(WAIT_S)
        assert not cancelled.has_news
        cancel(execution, None)
        await waiting.stored(execution)
        await until(lambda: cancelled.has_news, "the closing event")


async def test_a_run_whose_events_are_heard_of_is_not_looked_for(waiting: Waiting) -> None:
    execution = await waiting.begun()
    reads = CountedDatabase(await waiting.parts.database("api"))
    waiter = ExecutionWaiter(
        cast("Database", reads), waiting.tail, waiting.parts.blobs, waiting.parts.seals
    )
    end = asyncio.create_task(waiter.wait_for_end(waiting.tenant_id, execution.id, WAIT_S))
    await until(lambda: waiting.tail.subscriptions_count() == 1, "the subscription")
    execution.trigger_event(Execution.Started)
    await waiting.stored(execution)
    # Longer than anybody waits who heard nothing.
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(end), 3 * SILENCE_S)
    before = reads.count
    cancel(execution, None)
    await waiting.stored(execution)
    assert await end is not None
    assert before <= 1
    assert reads.count == before + 1


class CountedDatabase:
    """A database that knows how often it was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0

    async def tenant_json(
        self, tenant_id: TenantId, query: LiteralString, params: JsonObject
    ) -> bytes | None:
        self.count += 1
        return await self._database.tenant_json(tenant_id, query, params)
