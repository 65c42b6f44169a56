"""A worker whose calls wait for their turn under limits."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

from commands.call_limit_port import EndedCall, Full, HeldCall, Line
from commands.http_port import HttpRequest, HttpResponse
from commands.plan_port import TenantPlan
from domain.call_limits import CallLimit
from domain.identifiers import Json, JsonObject, TenantId
from domain.plans import STANDARD_ID
from sagas.call_slots import CallSlots
from tests.commands.fakes import World
from tests.domain.given import a_graph, a_node, a_set, an_llm
from tests.sagas.steps import Worker, an_execution, until

ONE_CALL = a_graph([an_llm("call")], ["start -> call", "call -> end"])
ROUTED = a_graph(
    [an_llm("call", retry={"max_attempts": 1}), a_set("other")],
    ["start -> call", "call -> end", "call -error-> other", "other -> end"],
)


class Places:
    """Implements CallLimits: by the most at once, as the database does; rates are never reached."""

    def __init__(self) -> None:
        self.held: dict[HeldCall, list[UUID]] = {}
        self.ended: list[EndedCall] = []
        self.takes_count = 0
        self.renewed: list[HeldCall] = []
        self.lines: dict[UUID, list[Line]] = {}

    async def take(
        self, held: HeldCall, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> Full | None:
        del tokens, usd_pico
        self.takes_count += 1
        for limit in limits:
            count = sum(limit.scope_id in scopes for scopes in self.held.values())
            if limit.calls_max is not None and count >= limit.calls_max:
                return Full(limit.scope_id, "concurrent_calls", None)
        self.held[held] = [limit.scope_id for limit in limits]
        return None

    async def renew(self, calls: Sequence[HeldCall]) -> None:
        self.renewed += calls

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        self.ended += ended
        for one in ended:
            self.held.pop(one.held, None)

    async def tell_lines(self, worker_id: UUID, lines: Sequence[Line]) -> None:
        self.lines[worker_id] = list(lines)


class Limits:
    """Implements Plans: limits of the tenant, and of its agents."""

    def __init__(self, **limits: Json) -> None:
        self.plan = TenantPlan(STANDARD_ID, 1, "small", limits)

    async def of(self, tenant_id: TenantId) -> TenantPlan:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantPlan:
        del tenant_id
        return self.plan


class Limited:
    """A worker under limits."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.places = Places()
        self.worker = Worker(World())
        self.world, self.models = self.worker.world, self.worker.models
        self.slots = CallSlots(self.places)
        self.worker.saga.parts.call_slots = self.slots

    async def begins(self, **limits: Json) -> None:
        self.worker.saga.parts.plans = Limits(**limits)
        running = asyncio.create_task(self.slots.run())
        self._stack.callback(running.cancel)
        self._stack.push_async_callback(self.worker.stop)
        await self.worker.own_everything()

    async def runs(self, definition: JsonObject = ONE_CALL) -> UUID:
        execution_id = await an_execution(self.world, definition)
        await self.worker.deliver()
        return execution_id

    async def asked(self, count: int) -> None:
        await until(lambda: len(self.models.calls) >= count, f"{count} calls were not made")
        assert len(self.models.calls) == count

    async def waits(self, *scopes: UUID) -> None:
        scope_ids = scopes or (self.world.tenant_id,)
        await until(lambda: self.slots.lines.crowded(scope_ids), "nobody waits")

    async def ends(self, count: int) -> None:
        await until(
            lambda: self.world.store.topics.count("execution.completed") == count,
            f"{count} did not end",
        )


class HeldHttp:
    """Implements Http: every request waits until the test answers it."""

    def __init__(self) -> None:
        self.requests: list[tuple[HttpRequest, asyncio.Future[HttpResponse]]] = []

    async def send(
        self, request: HttpRequest, on_progress: Callable[[], None] | None = None
    ) -> HttpResponse:
        del on_progress
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.requests.append((request, answer))
        return await answer

    async def answers(self, place: int) -> None:
        """The request, once it is made; no other was made after it."""
        await until(lambda: len(self.requests) > place, f"request {place} was not made")
        assert len(self.requests) == place + 1
        self.requests[place][1].set_result(HttpResponse(200, {}, b"so", "https://example.org/"))


def requesting(method: str, **fields: Json) -> JsonObject:
    node = a_node("http", "ask", method=method, url="https://example.org/") | fields
    return a_graph(
        [node, a_set("other")],
        ["start -> ask", "ask -> end", "ask -error-> other", "other -> end"],
    )
