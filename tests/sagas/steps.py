"""A worker on fakes: a store in memory, models that wait for the test, a log the test plays."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from commands.executions import ExecuteWorkflow
from commands.http_port import Http, HttpFailed, HttpRequest, HttpResponse
from commands.model_port import ModelFailed, ModelRequest, ModelResponse, Models
from commands.open_executions_port import OpenExecution
from commands.plan_port import NobodyLimited
from commands.ports import (
    Batch,
    ClosedExecution,
    LoggedEvent,
    LogHandler,
    OpenedExecution,
    Position,
    partition_of,
)
from commands.workflows import CreateWorkflow
from domain.executions import Execution
from domain.identifiers import JsonObject, shard_of
from infra.models.tenant_providers import TenantProviders
from infra.models.usage import measured_tokens
from infra.price_books import StoredPrices
from infra.webhook_keys import WebhookKeys
from sagas.drive import DriveParts
from sagas.effects import Effects
from sagas.executions import ExecutionSaga
from sagas.fairness import ClaimLimits, FairSlots
from sagas.nodes import RUNNERS
from sagas.run_owners import RunOwners
from sagas.start_queue import StartLimits, StartQueue
from sagas.step_turns import StepLimits, StepTurns
from tests.commands.fakes import NOON, FakeEventStore, World

PARTITIONS = 2
WAIT_S = 60.0
WEBHOOK_KEYS = WebhookKeys("a master key of the tests")


@dataclass
class HeldModels:
    """Every call waits until the test answers it; calls are kept in order."""

    calls: list[tuple[ModelRequest, asyncio.Future[ModelResponse]]] = field(default_factory=list)

    async def complete(self, request: ModelRequest, on_token: object = None) -> ModelResponse:
        del on_token
        answer: asyncio.Future[ModelResponse] = asyncio.get_running_loop().create_future()
        self.calls.append((request, answer))
        return await answer

    def answer(self, place: int, text: str) -> None:
        self.calls[place][1].set_result(
            ModelResponse(text, "stop", measured_tokens(2, 3), "offline/echo", "offline")
        )

    def fail(self, place: int, *, retryable: bool) -> None:
        failed = ModelFailed("rate_limited", "slow down", retryable=retryable)
        self.calls[place][1].set_exception(failed)


@dataclass
class ToldHttp:
    """Answers in turn, the last repeats; requests are kept in order."""

    answers: list[HttpResponse | HttpFailed] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)

    async def send(
        self, request: HttpRequest, on_progress: Callable[[], None] | None = None
    ) -> HttpResponse:
        if on_progress is not None:
            on_progress()
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, HttpFailed):
            raise answer
        return answer


@dataclass
class FakeLog:
    partitions_count: int = PARTITIONS
    owned: set[int] = field(default_factory=lambda: set(range(PARTITIONS)))

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        raise AssertionError((group, handler, topics))

    def is_owned(self, group: str, partition: int) -> bool:
        del group
        return partition in self.owned


@dataclass
class FakeOpenExecutions:
    """Read off the side rows that the fake store kept."""

    store: FakeEventStore

    async def ready(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> list[OpenExecution]:
        found = [one for one in self._open(shards) if one.wake_at is None]
        return [one for one in found if after is None or one.execution_id > after][:limit]

    async def due(
        self, shards: Sequence[int], *, until: datetime, limit: int
    ) -> list[OpenExecution]:
        found = [one for one in self._open(shards) if one.wake_at and one.wake_at <= until]
        return sorted(found, key=lambda one: one.wake_at or until)[:limit]

    def _open(self, shards: Sequence[int]) -> list[OpenExecution]:
        rows: dict[UUID, OpenExecution] = {}
        tenants = {
            e.originator_id: env.tenant_id
            for e, env in zip(self.store.events, self.store.envelopes, strict=True)
        }
        for row in self.store.side_rows:
            match row:
                case OpenedExecution(execution_id, wake_at):
                    tenant_id = tenants[execution_id]
                    rows[execution_id] = OpenExecution(tenant_id, execution_id, wake_at)
                case ClosedExecution():
                    rows.pop(row.execution_id, None)
                case _:
                    pass
        found = [row for row in rows.values() if shard_of(row.execution_id) in shards]
        return sorted(found, key=lambda row: row.execution_id)


class Worker:
    """One worker process on the world's store; several may share one world."""

    def __init__(
        self,
        world: World,
        name: str = "one",
        models: HeldModels | None = None,
        *,
        attempts_max: int = 10,
        drives_max: int = 2000,
        handover_s: float = 0,
    ) -> None:
        self.world = world
        self.models = models or HeldModels()
        self.http = ToldHttp()
        self.log = FakeLog()
        self.saga = ExecutionSaga(
            log=self.log,
            open_executions=FakeOpenExecutions(world.store),
            parts=DriveParts(
                actor=f"worker:{name}",
                events=world.store,
                effects=effects_of(world, self.models, self.http),
                runners=RUNNERS,
                clock=world.clock,
                ids=world.ids,
                attempts=FairSlots(ClaimLimits(attempts_max)),
                webhook_path=WEBHOOK_KEYS.path,
                admission=world.admission,
                steps=StepTurns(
                    StepLimits(quiet_max=32, own_max=8, spare_max=256),
                    lambda: asyncio.get_running_loop().time(),
                ),
            ),
            clock=world.clock,
            sweep_s=3600,
            handover_s=handover_s,
            starts=StartQueue(StartLimits(drives_max, 10_000)),
        )
        self._delivered = 0

    async def own_everything(self) -> None:
        await self.saga.assigned(range(PARTITIONS))
        await self.saga.started(range(PARTITIONS))

    async def deliver(self) -> None:
        """Plays what the log has and this worker has not seen."""
        news = list(enumerate(self.world.store.events))[self._delivered :]
        self._delivered = len(self.world.store.events)
        for place, _ in news:
            event = self._logged(place)
            partition = partition_of(event.shard, PARTITIONS)
            await self.saga.handle([Batch(partition, [event], str(place))])

    def _logged(self, place: int) -> LoggedEvent:
        stored, envelope = self.world.store.events[place], self.world.store.envelopes[place]
        assert isinstance(stored.originator_id, UUID)
        return LoggedEvent(
            position=Position(1, place, place),
            stream_id=stored.originator_id,
            version=stored.originator_version,
            topic=stored.topic,
            state=stored.state,
            tenant_id=envelope.tenant_id,
            shard=shard_of(stored.originator_id),
            event_id=UUID(int=place),
            actor=envelope.actor,
            command_id=None,
            causation_id=None,
            correlation_id=None,
            traceparent=None,
            recorded_at=NOON,
        )

    async def stop(self) -> None:
        await self.saga.revoked(range(PARTITIONS))


def effects_of(world: World, models: Models, http: Http) -> Effects:
    vault = world.vault
    return Effects(
        world.store,
        models,
        http,
        vault,
        RunOwners(world.store),
        TenantProviders(vault),
        StoredPrices(world.store, NobodyLimited()),
        world.clock,
        world.parts,
    )


async def until(condition: Callable[[], object], what: str) -> None:
    """Lets other tasks run until the condition holds; bounded."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.001)


async def an_execution(world: World, definition: JsonObject) -> UUID:
    """A workflow with that definition, and one execution of it, not yet touched by a worker."""
    (workflow,) = await world.given(
        CreateWorkflow(name="w", description=None, is_public=False, definition=definition)
    )
    (run,) = await world.given(
        ExecuteWorkflow(workflow_id=UUID(str(workflow["workflow_id"])), input={"q": "why?"})
    )
    return UUID(str(run["execution_id"]))


async def read(world: World, execution_id: UUID) -> Execution:
    execution = await world.store.load(Execution, execution_id, world.tenant_id)
    assert execution is not None
    return execution


def text_of(execution: Execution) -> object:
    """What the model said, as the run's output has it."""
    assert isinstance(execution.output, dict)
    return execution.output["text"]


def topics_of(world: World, execution_id: UUID) -> list[str]:
    return [e.topic for e in world.store.events if e.originator_id == execution_id]


def one_call(**draft: Any) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {
                "id": "draft",
                "type": "llm",
                "config": {"model": "offline/echo", "prompt": "{{ input.q }}"},
                **draft,
            },
            {"id": "end", "type": "end"},
        ],
        "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
    }
