"""Paying for calls before they are made: what a worker says of them, and tells the provider."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from commands.budget_port import BudgetExceeded, KnownBudgets, TenantBudgets
from commands.plan_port import TenantPlan
from commands.ports import CommandRecord, Envelope, PositionToken, SideRow
from domain.aggregates import Aggregate
from domain.budget_rules import BudgetRule, Counter, plan_run_budget
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from domain.plans import STANDARD_ID
from domain.reservations import TOKENS_DEFAULT, Standing
from tests.commands.fakes import World
from tests.domain.given import a_graph
from tests.sagas.steps import Worker, an_execution, read, until

BUDGET = UUID(int=77)
COUNTER = Counter(str(BUDGET), None, None)
# Two words ask; offline models are 1 and 2 millionths of a USD a token.
PROMPT = "Why not"


class ToldBudgets:
    """Implements Budgets: one of the tenant, as a test says."""

    def __init__(self, *, allows_unpriced: bool = False) -> None:
        rule = BudgetRule(
            BUDGET, "tenant", None, "total", None, "UTC", 10**12, True, allows_unpriced
        )
        self.known_to_it = TenantBudgets(3, (rule,))

    async def of(self, tenant_id: TenantId) -> TenantBudgets:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantBudgets:
        del tenant_id
        return self.known_to_it

    def forget(self, tenant_id: TenantId) -> None: ...

    async def standings(
        self, tenant_id: TenantId, counters: Sequence[Counter], caps: Mapping[str, int]
    ) -> Mapping[Counter, Standing]:
        del tenant_id, counters, caps
        return {}


class ToldPlans:
    """Implements Plans: a run may cost a cent."""

    plan = TenantPlan(STANDARD_ID, 1, "small", {"run_cost_usd": "0.01"})

    async def of(self, tenant_id: TenantId) -> TenantPlan:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantPlan:
        del tenant_id
        return self.plan


def asking(model: str = "offline/echo", **parameters: object) -> JsonObject:
    config: JsonObject = {"model": model, "prompt": PROMPT, "parameters": {**parameters}}  # type: ignore[dict-item]
    node: JsonObject = {"id": "call", "type": "llm", "config": config}
    return a_graph([node], ["start -> call", "call -> end"])


async def begun(worker: Worker, definition: JsonObject) -> UUID:
    await worker.own_everything()
    execution_id = await an_execution(worker.world, definition)
    await worker.deliver()
    return execution_id


def known(world: World) -> list[KnownBudgets]:
    return [row for row in world.store.side_rows if isinstance(row, KnownBudgets)]


def reserved(execution: Execution) -> bool:
    return execution.is_budgeted


async def test_a_call_without_a_limit_gets_one_that_is_paid_for() -> None:
    worker = Worker(World())
    worker.saga.parts.budgets = ToldBudgets()
    execution_id = await begun(worker, asking())
    await until(lambda: worker.models.calls, "the model was not asked")
    request, _ = worker.models.calls[0]
    assert request.parameters == {"max_tokens": TOKENS_DEFAULT}
    assert known(worker.world) == [KnownBudgets(3, {})]
    assert reserved(await read(worker.world, execution_id))
    started = [e for e in worker.world.store.events if e.topic == "execution.node_started"]
    told = f'"usd_pico":{2 * 10**6 + TOKENS_DEFAULT * 2 * 10**6}'
    assert told.encode() in started[0].state
    await worker.stop()


async def test_a_limit_of_ones_own_is_what_is_paid_for() -> None:
    worker = Worker(World())
    worker.saga.parts.budgets = ToldBudgets()
    await begun(worker, asking(max_completion_tokens=7))
    await until(lambda: worker.models.calls, "the model was not asked")
    assert worker.models.calls[0][0].parameters == {"max_completion_tokens": 7}
    await worker.stop()


async def test_without_a_budget_a_call_is_as_its_author_wants_it() -> None:
    worker = Worker(World())
    execution_id = await begun(worker, asking())
    await until(lambda: worker.models.calls, "the model was not asked")
    assert worker.models.calls[0][0].parameters == {}
    assert known(worker.world) == [KnownBudgets(0, {})]
    assert not reserved(await read(worker.world, execution_id))
    await worker.stop()


async def test_a_model_without_a_price_is_refused_by_a_hard_budget_that_does_not_allow_it() -> None:
    worker = Worker(World())
    worker.saga.parts.budgets = ToldBudgets()
    execution_id = await begun(worker, asking("offline/nobody-knows"))
    await until(lambda: not worker.saga.driven_count(), "it did not end")
    execution = await read(worker.world, execution_id)
    assert execution.error is not None
    assert execution.error["code"] == "budget_unpriced"
    assert worker.models.calls == []
    assert known(worker.world) == [KnownBudgets(3, {})]  # What is not so any more is judged anew.


async def test_a_budget_may_allow_what_has_no_price() -> None:
    worker = Worker(World())
    worker.saga.parts.budgets = ToldBudgets(allows_unpriced=True)
    await begun(worker, asking("offline/nobody-knows"))
    await until(lambda: worker.models.calls, "the model was not asked")
    assert worker.models.calls[0][0].parameters == {}
    await worker.stop()


async def test_the_plan_says_what_a_run_may_cost() -> None:
    worker = Worker(World())
    worker.saga.parts.plans = ToldPlans()
    await begun(worker, asking())
    await until(lambda: worker.models.calls, "the model was not asked")
    budget_id = str(plan_run_budget(worker.world.tenant_id))
    assert known(worker.world) == [KnownBudgets(0, {budget_id: 10**10})]
    await worker.stop()


class Crowded:
    """A store that refuses the first append, for others hold what is left of the budget, and that
    stores no other for who comes second before it may.
    """

    def __init__(self, world: World) -> None:
        self.may_store = asyncio.Event()
        self.second: UUID | None = None
        self.is_stopping_second = False
        self._was_refused = False
        self._append = world.store.append

    async def append(
        self,
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        if not self._was_refused and any(isinstance(row, KnownBudgets) for row in side_rows):
            self._was_refused = True
            raise BudgetExceeded({COUNTER: Standing(10**12, 0, reserved=10**12)})
        if any(one.id == self.second for one in aggregates):
            self.is_stopping_second = True
            await self.may_store.wait()
        return await self._append(aggregates, envelope, side_rows=side_rows, command=command)


async def test_who_is_called_while_it_stores_something_looks_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker(World())
    worker.saga.parts.budgets = ToldBudgets()
    crowded = Crowded(worker.world)
    monkeypatch.setattr(worker.world.store, "append", crowded.append)
    await begun(worker, asking())
    await until(lambda: worker.saga.parts.budget_lines.crowded([COUNTER]), "no line")
    crowded.second = await an_execution(worker.world, asking())
    await worker.deliver()
    await until(lambda: crowded.is_stopping_second, "it stores nothing")
    worker.world.clock.pass_time(seconds=1)
    await until(lambda: worker.models.calls, "the first was not called")
    crowded.may_store.set()
    await until(lambda: len(worker.models.calls) == 2, "the second was not called")
    await worker.stop()
