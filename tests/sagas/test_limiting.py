"""Calls that wait for their turn under a limit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import pytest

from commands.agents import CreateAgent, ExecuteAgent
from commands.call_limit_port import EndedCall, Full, HeldCall, Line
from commands.execution_commands import PauseExecution, ResumeExecution
from commands.executions import CancelExecution
from commands.http_port import HttpRequest, HttpResponse
from commands.plan_port import TenantPlan
from commands.ports import CommandRecord, Envelope, PositionToken, SideRow
from domain.aggregates import Aggregate
from domain.call_limits import CallLimit, type_scope
from domain.errors import Unavailable
from domain.identifiers import Json, JsonObject, TenantId
from domain.plans import STANDARD_ID
from infra.metrics import METRICS
from sagas import limiting
from sagas.call_slots import CallSlots
from sagas.limiting import WAIT_S_MAX
from tests.commands.fakes import World
from tests.domain.given import a_graph, a_node, a_set, an_llm
from tests.sagas.steps import Worker, an_execution, read, until

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


@pytest.fixture
async def limited(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limited]:
    for name in ("LOOK_MIN_S", "LOOK_MAX_S", "LOOK_LATEST_S", "AGAIN_S"):
        monkeypatch.setattr(limiting, name, 0.01)
    async with AsyncExitStack() as stack:
        yield Limited(stack)


async def test_calls_are_made_one_after_the_other_in_the_order_in_which_they_came(
    limited: Limited,
) -> None:
    await limited.begins(concurrent_calls=1)
    made = [await limited.runs()]
    await limited.asked(1)
    for _ in range(3):
        made.append(await limited.runs())
        await limited.waits()
    for place in range(4):
        await limited.asked(place + 1)
        limited.models.answer(place, str(place))
    await limited.ends(4)
    started = [e for e in limited.world.store.events if e.topic == "execution.node_started"]
    assert [one.originator_id for one in started] == made
    await until(lambda: len(limited.places.ended) == 4, "not settled")
    assert {one.tokens for one in limited.places.ended} == {5}
    assert limited.places.held == {}


async def test_one_agent_does_not_take_the_places_of_another(limited: Limited) -> None:
    profile: JsonObject = {"name": "W", "model": "offline/echo", "instructions": "Answer."}
    one, other = [
        UUID(str(told["agent_id"]))
        for told in await limited.world.given(CreateAgent(profile), CreateAgent(profile))
    ]
    await limited.begins()
    plan = TenantPlan(
        STANDARD_ID, 1, "small", {}, {str(agent): {"concurrent_calls": 1} for agent in (one, other)}
    )
    limited.worker.saga.parts.plans.plan = plan  # pyright: ignore[reportAttributeAccessIssue] # a fake's
    for agent_id in (one, one, other):
        await limited.world.given(ExecuteAgent(agent_id, "why?"))
        await limited.worker.deliver()
    await limited.waits(one)
    await limited.asked(2)
    assert limited.slots.lines.crowded([other]) is None
    limited.models.answer(0, "so")
    await limited.asked(3)


async def test_without_a_limit_nobody_asks_for_a_place(limited: Limited) -> None:
    await limited.begins(step_weight=2)
    await limited.runs()
    await limited.asked(1)
    limited.models.answer(0, "so")
    await limited.ends(1)
    assert limited.places.takes_count == 0


async def test_who_waits_for_too_long_fails_in_a_way_that_can_be_routed(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    routed_id = await limited.runs(ROUTED)
    await limited.waits()
    waiting = METRICS.sagas.calls_waiting._value.get()
    limited.world.clock.pass_time(seconds=WAIT_S_MAX + 1)
    await limited.ends(1)
    execution = await read(limited.world, routed_id)
    failed = [e for e in limited.world.store.events if e.topic == "execution.node_failed"]
    assert [one.originator_id for one in failed] == [execution.id]
    assert b'"rate_limited"' in failed[0].state
    assert len(limited.models.calls) == 1
    assert METRICS.sagas.calls_waiting._value.get() == waiting - 1


async def test_a_run_that_is_cancelled_while_it_waits_leaves_the_line(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    gone_id = await limited.runs()
    await limited.waits()
    next_id = await limited.runs()
    await limited.world.given(CancelExecution(gone_id))
    await limited.worker.deliver()
    limited.models.answer(0, "so")
    await limited.asked(2)
    limited.models.answer(1, "so")
    await limited.ends(2)
    assert (await read(limited.world, next_id)).status == "COMPLETED"


async def test_a_call_that_was_not_made_gives_its_place_back(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, refused = limited.world.store.append, 0

    async def unavailable_once(
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        nonlocal refused
        if limited.places.held and not refused:
            refused += 1
            raise Unavailable
        return await append(aggregates, envelope, side_rows=side_rows, command=command)

    await limited.begins(concurrent_calls=1)
    monkeypatch.setattr(limited.world.store, "append", unavailable_once)
    await limited.runs()
    await limited.asked(1)
    limited.models.answer(0, "so")
    await limited.ends(1)
    assert refused == 1
    await until(lambda: len(limited.places.ended) == 2, "not settled")
    assert [one.tokens for one in limited.places.ended] == [0, 5]


async def test_a_run_that_is_paused_while_it_waits_holds_up_nobody(limited: Limited) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    paused_id = await limited.runs()
    await limited.waits()
    await limited.world.given(PauseExecution(paused_id))
    await limited.worker.deliver()
    await limited.runs()
    limited.models.answer(0, "so")
    await limited.asked(2)
    limited.models.answer(1, "so")
    await limited.ends(2)
    await limited.world.given(ResumeExecution(paused_id))
    await limited.worker.deliver()
    await limited.asked(3)
    limited.models.answer(2, "so")
    await limited.ends(3)


async def test_what_is_under_way_is_renewed(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagas.call_slots.RENEW_S", 0.01)
    await limited.begins(concurrent_calls=1)
    await limited.runs()
    await limited.asked(1)
    await until(lambda: len(limited.places.renewed) > 1, "nothing was renewed")
    assert set(limited.places.renewed) == set(limited.places.held)


async def test_it_is_told_how_many_wait_until_nobody_does(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagas.call_slots.LINES_S", 0)
    await limited.begins(concurrent_calls=1)
    telling = asyncio.create_task(limited.slots.tell_lines())
    await limited.runs()
    await limited.asked(1)
    for _ in range(2):
        await limited.runs()
    tenant_id = limited.world.tenant_id
    told = limited.places.lines
    await until(lambda: [*told.values()] == [[Line(tenant_id, tenant_id, 2)]], "not told")
    for count in (1, 2, 3):
        await limited.asked(count)
        limited.models.answer(count - 1, "so")
    await until(lambda: [*told.values()] == [[]], "still told")
    telling.cancel()


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


@pytest.fixture
def http(limited: Limited) -> HeldHttp:
    held = HeldHttp()
    parts = limited.worker.saga.parts
    parts.effects = replace(parts.effects, http=held)
    return held


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_requests_of_http_nodes_are_made_one_after_the_other(
    limited: Limited, http: HeldHttp, method: str
) -> None:
    await limited.begins(concurrent_http_calls=1)
    for _ in range(3):
        await limited.runs(requesting(method))
    for place in range(3):
        if place < 2:
            await limited.waits(type_scope(limited.world.tenant_id, "http"))
        await http.answers(place)
    await limited.ends(3)
    assert "execution.node_failed" not in limited.world.store.topics
    await until(lambda: len(limited.places.ended) == 3, "not settled")
    assert limited.places.held == {}


async def test_requests_and_models_do_not_take_each_others_places(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_http_calls=1, concurrent_calls=1)
    await limited.runs(requesting("POST"))
    await until(lambda: bool(http.requests), "no request was made")
    await limited.runs()
    await limited.asked(1)
    assert {tuple(scopes) for scopes in limited.places.held.values()} == {
        (type_scope(limited.world.tenant_id, "http"),),
        (limited.world.tenant_id,),
    }


async def test_without_a_limit_of_its_own_a_request_asks_for_no_place(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs(requesting("GET"))
    await http.answers(0)
    await limited.ends(1)
    assert limited.places.takes_count == 0
    assert not {"execution.node_started", "execution.node_failed"} & {*limited.world.store.topics}


async def test_a_request_that_waits_for_too_long_says_for_what(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_http_calls=1)
    await limited.runs(requesting("POST", timeout_s=WAIT_S_MAX * 2))
    await until(lambda: bool(http.requests), "no request was made")
    await limited.runs(requesting("POST", timeout_s=7, retry={"max_attempts": 1}))
    await limited.waits(type_scope(limited.world.tenant_id, "http"))
    limited.world.clock.pass_time(seconds=8)
    await limited.ends(1)
    (failed,) = [e for e in limited.world.store.events if e.topic == "execution.node_failed"]
    said = b"the limits of the tenant did not allow the call within 7 s: concurrent_http_calls"
    assert said in failed.state
    assert len(http.requests) == 1
