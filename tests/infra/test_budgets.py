"""What the database counts of budgets, in the transactions of the events that say so."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import orjson
import pytest
from psycopg import AsyncConnection

from commands.budget_port import (
    BudgetExceeded,
    BudgetsChanged,
    KnownBudgets,
    ReleasedHold,
    RemovedBudget,
)
from commands.ports import SideRow
from commands.standing_port import RegisteredTenant, StoredResellerQuota
from domain.budget_rules import Counter
from domain.budgets import BUDGETS_MAX, MANAGED_BUDGETS_MAX, Budget, NothingHeld
from domain.definitions import parse_definition
from domain.embedding_calls import EmbeddingCall
from domain.envelope import Envelope
from domain.execution_outcomes import interrupt
from domain.executions import Execution
from domain.identifiers import Json, TenantId
from domain.node_types import Usage
from domain.quotas import QuotaReached
from domain.reservations import Standing
from domain.tenants import TenantNotFound
from domain.usage_events import UsageEvent
from infra.budget_repair import BudgetRepair, repair_budgets
from infra.budget_verification import BudgetFold, verify_budgets
from infra.plan_usage import PlanUsage
from infra.tenant_budgets import PostgresBudgets
from tests.architecture.sources import ROOT
from tests.commands.event_store_contract import an_execution
from tests.domain.given import a_graph, an_llm
from tests.infra.budget_steps import EMBEDDED, Tenant, an_embedding, metered
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.projections.histories import Stream

HOUR_S = 3600
DEFINITION = parse_definition(a_graph([an_llm("call")], ["start -> call", "call -> end"]))


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger"
    ) as conn:
        yield conn


@pytest.fixture
async def tenant(parts: Parts, owner: AsyncConnection) -> Tenant:
    return Tenant(parts, owner)


async def test_what_a_call_holds_is_settled_with_what_it_cost(tenant: Tenant) -> None:
    counter, other = await tenant.budget(100), await tenant.budget(1000)
    run = await tenant.call(60, [counter, other])
    assert await tenant.standing(counter) == (0, 60)
    await tenant.ends(run, 45)
    assert await tenant.standing(counter) == (45, 0)
    assert await tenant.standing(other) == (45, 0)
    await tenant.require_verified()


async def test_of_many_at_once_as_many_are_stored_as_can_be_paid(tenant: Tenant) -> None:
    """They share transactions with each other, and with what is not paid for."""
    counter, wide = await tenant.budget(100), await tenant.budget(10**6)
    free = [tenant.parts.store.append([an_execution({})], tenant.envelope) for _ in range(5)]
    calls = [tenant.call(10, [counter, wide]) for _ in range(40)]
    *stored, _ = await asyncio.gather(*calls, *free, return_exceptions=True)
    assert sum(isinstance(one, Execution) for one in stored) == 10
    refused = [one for one in stored if isinstance(one, BudgetExceeded)]
    assert len(refused) == 30
    assert refused[0].standings == {counter: Standing(100, 0, 100)}
    assert await tenant.standing(counter) == (0, 100)
    assert await tenant.standing(wide) == (0, 100)
    await tenant.require_verified()


async def test_nobody_spends_past_a_budget_that_they_have_not_heard_of(tenant: Tenant) -> None:
    await tenant.call(10**9, [])
    counter = await tenant.budget(5)
    with pytest.raises(BudgetsChanged):
        await tenant.call(10**9, [], known=0)
    with pytest.raises(BudgetExceeded):
        await tenant.call(6, [counter])
    await tenant.parts.store.append(
        [await a_budget(tenant, counter)],
        tenant.envelope,
        side_rows=[RemovedBudget(UUID(counter.budget_id))],
    )
    with pytest.raises(BudgetsChanged):
        await tenant.call(6, [counter])
    tenant.revision += 1
    await tenant.call(6, [counter])


async def a_budget(tenant: Tenant, counter: Counter) -> Budget:
    budget = await tenant.parts.store.load(Budget, UUID(counter.budget_id), tenant.id)
    assert budget is not None
    budget.delete()
    return budget


async def test_a_soft_budget_only_tells_each_threshold_once(tenant: Tenant) -> None:
    counter = await tenant.budget(100, is_hard=False, notify_at=["0.5", "0.8"])
    runs = [await tenant.call(1000, [counter]) for _ in range(3)]
    await asyncio.gather(*(tenant.ends(run, 30) for run in runs))
    assert await tenant.told(counter) == ["budget.threshold_reached"] * 2
    await tenant.ends(await tenant.call(1000, [counter]), 500)
    assert await tenant.told(counter) == ["budget.threshold_reached"] * 2


async def test_what_is_billed_beyond_what_was_held_is_counted_and_told(tenant: Tenant) -> None:
    counter = await tenant.budget(100)
    await tenant.ends(await tenant.call(60, [counter]), 130)
    assert await tenant.standing(counter) == (130, 0)
    assert await tenant.told(counter) == ["budget.overshot"]
    await tenant.require_verified()


async def test_who_refuses_is_told_once_in_a_period(tenant: Tenant) -> None:
    counter = await tenant.budget(100)
    await tenant.call(1, [counter])
    for _ in range(2):
        row = KnownBudgets(tenant.revision, {}, [counter])
        await tenant.parts.store.append([an_execution({})], tenant.envelope, side_rows=[row])
    assert await tenant.told(counter) == ["budget.exhausted"]


async def test_what_nobody_knows_is_held_until_it_is_let_go(tenant: Tenant) -> None:
    counter = await tenant.budget(100)
    run = await tenant.call(60, [counter])
    interrupt(run, DEFINITION, now=run.modified_on)
    await tenant.parts.store.append([run], tenant.envelope)
    assert await tenant.standing(counter) == (0, 60)
    budget_id = UUID(counter.budget_id)
    for _ in range(2):
        budget = await tenant.parts.store.load(Budget, budget_id, tenant.id)
        assert budget is not None
        budget.release(str(run.id), "call", 1)
        rows = [ReleasedHold(budget_id, run.id, "call", 1)]
        append = tenant.parts.store.append([budget], tenant.envelope, side_rows=rows)
        if await tenant.standing(counter) == (0, 60):
            await append
        else:
            with pytest.raises(NothingHeld):
                await append
    assert await tenant.standing(counter) == (0, 0)
    await tenant.require_verified()


async def test_what_a_tenant_sends_counts_whatever_is_left(tenant: Tenant) -> None:
    counter = await tenant.budget(100, notify_at=["1"])
    sent = UsageEvent._create(
        UsageEvent.Created,
        id=IDS.new(),
        source="/s",
        event_id="1",
        meter="pages",
        subject=None,
        happened_at="2026-01-01T00:00:00Z",
        data={},
        fingerprint="",
        usage=metered(150).fact(workflow_id=None, created_by="x"),
        counters=[[*counter.told()]],
    )
    await tenant.parts.store.append(
        [sent], tenant.envelope, side_rows=[KnownBudgets(tenant.revision, {})]
    )
    assert await tenant.standing(counter) == (150, 0)
    assert await tenant.told(counter) == ["budget.threshold_reached"]
    await tenant.require_verified()


async def test_a_text_that_is_embedded_holds_until_its_end_is_known(tenant: Tenant) -> None:
    """As calls of runs do: settled, given back, or held until somebody says what it used."""
    counter = await tenant.budget(10**6)
    told, failed, lost, let_go = (an_embedding("search", 240_000, [counter]) for _ in range(4))
    known = KnownBudgets(tenant.revision, {})
    for call in (told, failed, lost, let_go):
        await tenant.parts.store.append([call], tenant.envelope, side_rows=[known])
    with pytest.raises(BudgetExceeded) as refused:
        await tenant.parts.store.append(
            [an_embedding("search", 240_000, [counter])], tenant.envelope, side_rows=[known]
        )
    assert refused.value.standings == {counter: Standing(10**6, 0, 960_000)}
    told.complete(EMBEDDED)
    failed.fail("invalid", "no", Usage("m"))
    lost.leave_unresolved("interrupted", "nobody told")
    let_go.leave_unresolved("interrupted", "nobody told")
    await tenant.parts.store.append([told, failed, lost, let_go], tenant.envelope)
    assert await tenant.standing(counter) == (140_000, 480_000)
    await tenant.require_verified()
    budget_id = UUID(counter.budget_id)
    budget = await tenant.parts.store.load(Budget, budget_id, tenant.id)
    assert budget is not None
    budget.release(str(let_go.id), "search", 1)
    row = ReleasedHold(budget_id, let_go.id, "search", 1)
    await tenant.parts.store.append([budget], tenant.envelope, side_rows=[row])
    lost.resolve(EMBEDDED, reason="a report")
    await tenant.parts.store.append([lost], tenant.envelope)
    assert await tenant.standing(counter) == (280_000, 0)
    await tenant.require_verified()


def test_a_text_that_was_embedded_before_there_were_intents_counts_as_it_did() -> None:
    """Its event says what it used, and holds nothing."""
    golden = ROOT / "tests" / "golden" / "events" / "embedding_call.created.json"
    told = Stream(EmbeddingCall, TenantId(IDS.new())).logs(
        "embedding_call.created", golden.read_bytes()
    )
    (event,), fold = told.events, BudgetFold()
    fold.take(event, orjson.loads(event.state))
    assert (list(fold.spent.values()), fold.held) == ([140_000], {})


async def test_a_rolling_window_is_held_to_across_its_parts(tenant: Tenant) -> None:
    counter = await tenant.budget(100, period="rolling", window_s=HOUR_S)
    parts = [
        counter._replace(period_start=f"2026-01-01T{at}+00:00")
        for at in ("10:00:00", "10:30:00", "11:30:00")
    ]
    await tenant.ends(await tenant.call(70, parts[:1]), 70)
    with pytest.raises(BudgetExceeded):
        await tenant.call(40, parts[1:2])
    await tenant.call(30, parts[1:2])
    await tenant.call(70, parts[2:])
    await tenant.require_verified()


async def test_a_limit_that_is_no_budgets_is_held_to_for_each_run(tenant: Tenant) -> None:
    cap = Counter(str(IDS.new()), str(IDS.new()), None)
    row = KnownBudgets(0, {cap.budget_id: 50})
    run = an_execution({})
    for path, is_paid in (("a", True), ("b", False)):
        told: list[Json] = [[*cap.told()]]
        run.trigger_event(
            Execution.NodeStarted,
            path=path,
            node_type="llm",
            attempt=1,
            request={},
            idempotency_key="k",
            reserved={"usd_pico": 30, "tokens_max": 1, "counters": told},
        )
        append = tenant.parts.store.append([run], tenant.envelope, side_rows=[row])
        if is_paid:
            await append
        else:
            with pytest.raises(BudgetExceeded):
                await append


async def test_a_tenant_has_so_many_budgets_and_no_more(tenant: Tenant) -> None:
    for _ in range(BUDGETS_MAX):
        await tenant.budget(1)
    with pytest.raises(QuotaReached):
        await tenant.budget(1)
    # Who manages it is not kept out by that.
    for _ in range(MANAGED_BUDGETS_MAX):
        await tenant.budget(1, keeper="operator")
    with pytest.raises(QuotaReached):
        await tenant.budget(1, keeper="reseller")


async def test_who_manages_a_tenant_reads_how_what_it_keeps_stands(tenant: Tenant) -> None:
    reseller_id = TenantId(IDS.new())
    told_of: list[tuple[TenantId, list[SideRow]]] = [
        (reseller_id, [RegisteredTenant(None), StoredResellerQuota(1)]),
        (tenant.id, [RegisteredTenant(reseller_id)]),
    ]
    for tenant_id, rows in told_of:
        envelope = Envelope(tenant_id, "operator")
        await tenant.parts.store.append([an_execution({})], envelope, side_rows=rows)
    of_tenant, of_reseller, of_operator = [
        await tenant.budget(100, keeper=keeper) for keeper in ("tenant", "reseller", "operator")
    ]
    run = await tenant.call(60, [of_tenant, of_reseller, of_operator])
    await tenant.ends(run, 45)
    await tenant.call(20, [of_tenant, of_reseller, of_operator])
    views = PlanUsage(await tenant.parts.database("api"))
    told = await views.budgets(tenant.id, reseller_id=reseller_id)
    assert told == [
        {
            "budget_id": of_reseller.budget_id,
            "keeper": "reseller",
            "scope_type": "tenant",
            "period": "total",
            "window_s": None,
            "time_zone": "UTC",
            "mode": "hard",
            "notify_at": [],
            "unpriced": "refuse",
            "limit_usd": "0.0000000001",
            "spent_usd": "0.000000000045",
            "reserved_usd": "0.00000000002",
            "remaining_usd": "0.000000000035",
        }
    ]
    told = await views.budgets(tenant.id, reseller_id=None)
    assert [one["keeper"] for one in told] == ["reseller", "operator"]
    with pytest.raises(TenantNotFound):
        await views.budgets(tenant.id, reseller_id=TenantId(IDS.new()))


async def test_a_worker_knows_the_budgets_of_its_tenants_and_how_they_stand(
    tenant: Tenant,
) -> None:
    counter = await tenant.budget(100)
    await tenant.call(60, [counter])
    time_s = asyncio.get_running_loop().time
    budgets = PostgresBudgets(await tenant.parts.database("worker"), monotonic_s=time_s)
    known = await budgets.of(tenant.id)
    assert known.revision == 1
    assert [str(rule.budget_id) for rule in known.rules] == [counter.budget_id]
    assert budgets.known(tenant.id) == known
    assert await budgets.standings(tenant.id, [counter], {}) == {counter: Standing(100, 0, 60)}
    assert (await budgets.of(TenantId(IDS.new()))).rules == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE budget_counters SET spent = spent + 1",
        "UPDATE budget_counters SET reserved = reserved + 1",
        "DELETE FROM budget_reservations",
        "UPDATE budget_reservations SET amount = amount + 1",
    ],
)
async def test_a_counter_that_is_not_what_the_log_says_is_found_and_put_right(
    tenant: Tenant, damage: str
) -> None:
    """While others reserve and settle, of whom nothing is lost."""
    counter, other = await tenant.budget(100), await tenant.budget(1000)
    run = await tenant.call(60, [counter, other])
    await tenant.owner.execute(damage.encode() + b" WHERE tenant_id = %s", (tenant.id,))
    opened = tenant.parts.seals.opened
    assert not all(check.ok for check in await verify_budgets(tenant.owner, opened))

    async def spends() -> None:
        await tenant.ends(await tenant.call(10, [other]), 7)

    repairing = asyncio.create_task(repair_budgets(tenant.owner, opened))
    await asyncio.gather(*(spends() for _ in range(20)))
    repaired = await repairing
    assert repaired.is_right
    assert repaired.changes
    await tenant.require_verified()
    assert await tenant.standing(counter) == (0, 60)
    await tenant.ends(run, 45)
    assert await tenant.standing(counter) == (45, 0)
    assert await tenant.standing(other) == (185, 0)
    assert await repair_budgets(tenant.owner, opened) == BudgetRepair([], is_right=True)


async def test_what_ended_while_its_hold_was_lost_is_counted_again(tenant: Tenant) -> None:
    counter = await tenant.budget(100)
    run = await tenant.call(60, [counter])
    for table in ("budget_counters", "budget_reservations"):
        await tenant.owner.execute(
            f"DELETE FROM {table} WHERE tenant_id = %s".encode(), (tenant.id,)
        )
    await tenant.ends(run, 45)
    assert await tenant.standing(counter) == (0, 0)
    checks = await verify_budgets(tenant.owner, tenant.parts.seals.opened)
    assert not all(check.ok for check in checks)
    await repair_budgets(tenant.owner, tenant.parts.seals.opened)
    assert await tenant.standing(counter) == (45, 0)
    await tenant.require_verified()
