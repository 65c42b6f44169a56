"""Who may say how much is spent, of what, and what lies beside the log of it."""

from uuid import UUID

import pytest

from commands.agents import CreateAgent
from commands.authorization import Caller, MissingScope
from commands.budget_port import RemovedBudget, RevisedBudget, StoredBudget
from commands.budgets import (
    CreateBudget,
    CreateManagedBudget,
    DeleteBudget,
    DeleteManagedBudget,
    ReleaseBudgetHold,
    ReviseBudget,
    ReviseManagedBudget,
)
from commands.tenants import CreateTenant
from domain.budget_rules import Period, ScopeType
from domain.budgets import Budget, BudgetKept, BudgetNotFound
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.tenants import TenantNotFound
from domain.usage import UsageNotUnresolved
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, worked

USD = 10**12


def a_budget(
    scope: ScopeType = "tenant", scope_id: UUID | None = None, period: Period = "month"
) -> CreateBudget:
    return CreateBudget(scope, scope_id, period, None, None, USD, "hard", ["0.80", "0.5", "0.5"])


async def created(world: World) -> UUID:
    answer = await world.when(a_budget())
    return UUID(str(answer.result["budget_id"]))


async def test_a_budget_begins_in_the_time_zone_of_its_tenant_and_lies_beside_the_log() -> None:
    world = World()
    made = await world.when(
        CreateTenant(
            "Acme", "ada@example.com", "correct horse battery", time_zone="Asia/Kathmandu"
        ),
        caller=world.operator,
    )
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    answer = await world.when(
        a_budget(), caller=Caller("user:1", tenant_id, frozenset({"budgets:write"}))
    )
    budget_id = UUID(str(answer.result["budget_id"]))
    budget = await world.store.load(Budget, budget_id, tenant_id)
    assert budget is not None
    assert (budget.time_zone, budget.notify_at) == ("Asia/Kathmandu", ["0.5", "0.8"])
    (row,) = [row for row in world.store.side_rows if isinstance(row, StoredBudget)]
    assert row.told == {
        "scope_type": "tenant",
        "scope_id": None,
        "period": "month",
        "window_s": None,
        "time_zone": "Asia/Kathmandu",
        "limit_usd_pico": USD,
        "is_hard": True,
        "notify_at": ["0.5", "0.8"],
        "allows_unpriced": False,
        "keeper": "tenant",
    }


async def test_a_revision_says_all_that_holds_from_then_on() -> None:
    world = World()
    budget_id = await created(world)
    await world.when(ReviseBudget(budget_id, limit_usd_pico=2 * USD, unpriced="allow"))
    again = await world.when(ReviseBudget(budget_id, mode="hard"))
    assert again.position is None  # It is as it was.
    rows = [row for row in world.store.side_rows if isinstance(row, RevisedBudget)]
    assert rows[0].told == {
        "limit_usd_pico": 2 * USD,
        "is_hard": True,
        "notify_at": ["0.5", "0.8"],
        "allows_unpriced": True,
    }


async def test_what_is_deleted_is_not_there_any_more() -> None:
    world = World()
    budget_id = await created(world)
    await world.when(DeleteBudget(budget_id))
    assert RemovedBudget(budget_id) in world.store.side_rows
    for command in (DeleteBudget(budget_id), ReviseBudget(budget_id, mode="soft")):
        with pytest.raises(BudgetNotFound):
            await world.when(command)


async def test_a_scope_is_something_of_the_same_tenant() -> None:
    world = World()
    answer = await world.when(CreateAgent({"name": "a", "model": "offline/echo"}))
    agent_id = UUID(str(answer.result["agent_id"]))
    await world.when(a_budget("agent", agent_id))
    other = World()
    for scope in ("agent", "user", "api_key", "workflow", "run"):
        with pytest.raises(Invalid) as refusal:
            await other.when(a_budget(scope, agent_id))
        assert [error.path for error in refusal.value.errors] == ["/scope/id"]


async def test_only_who_holds_the_scope_says_how_much_may_be_spent() -> None:
    world = World()
    user = Caller("user:1", world.tenant_id, frozenset({"read", "usage:write"}))
    with pytest.raises(MissingScope):
        await world.when(a_budget(), caller=user)
    with pytest.raises(MissingScope):
        await world.when(a_budget(), caller=world.operator)


async def test_nothing_is_let_go_of_an_attempt_that_will_tell_what_it_cost() -> None:
    world = World()
    budget_id = await created(world)
    execution_id = await a_run(world, a_chain(an_llm("draft")))
    await worked(world, execution_id)
    with pytest.raises(UsageNotUnresolved):
        await world.when(ReleaseBudgetHold(budget_id, execution_id, "draft", 1))


async def a_customer(world: World, seller: Caller) -> Caller:
    """Its administrator."""
    admin = (f"{world.ids.new()}@example.com", "correct horse battery")
    made = await world.when(CreateTenant("Customer", *admin), caller=seller)
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    return Caller("user:1", tenant_id, frozenset({"*"}))


async def kept(world: World, customer: Caller, keeper: Caller) -> UUID:
    assert customer.tenant_id is not None
    command = CreateManagedBudget(customer.tenant_id, a_budget())
    return UUID(str((await world.when(command, caller=keeper)).result["budget_id"]))


async def test_a_tenant_cannot_change_what_who_manages_it_keeps() -> None:
    world = World()
    seller = world.caller_with("tenants:create", "tenants:manage")
    customer = await a_customer(world, seller)
    for keeper, name in ((seller, "reseller"), (world.operator, "operator")):
        budget_id = await kept(world, customer, keeper)
        rows = [row for row in world.store.side_rows if isinstance(row, StoredBudget)]
        assert rows[-1].told["keeper"] == name
        for command in (
            ReviseBudget(budget_id, limit_usd_pico=9 * USD),
            DeleteBudget(budget_id),
            ReleaseBudgetHold(budget_id, budget_id, "draft", 1),
        ):
            with pytest.raises(BudgetKept):
                await world.when(command, caller=customer)


async def test_who_manages_a_tenant_changes_what_is_kept_and_does_not_see_its_own() -> None:
    world = World()
    seller = world.caller_with("tenants:create", "tenants:manage")
    customer = await a_customer(world, seller)
    assert customer.tenant_id is not None
    sold, own = await kept(world, customer, seller), await kept(world, customer, world.operator)
    made = await world.when(a_budget(), caller=customer)
    of_tenant = UUID(str(made.result["budget_id"]))

    async def revised(budget_id: UUID, caller: Caller) -> None:
        assert customer.tenant_id is not None
        change = ReviseBudget(budget_id, limit_usd_pico=2 * USD)
        await world.when(ReviseManagedBudget(customer.tenant_id, change), caller=caller)

    await revised(sold, seller)
    for budget_id in (sold, own):
        await revised(budget_id, world.operator)
    for budget_id, caller in ((own, seller), (of_tenant, seller), (of_tenant, world.operator)):
        with pytest.raises(BudgetNotFound):
            await revised(budget_id, caller)
    gone = DeleteManagedBudget(customer.tenant_id, DeleteBudget(own))
    await world.when(gone, caller=world.operator)
    with pytest.raises(BudgetNotFound):
        await revised(own, world.operator)


async def test_a_reseller_keeps_budgets_of_its_own_customers_only() -> None:
    world = World()
    seller = world.caller_with("tenants:create", "tenants:manage")
    stranger = await a_customer(world, world.operator)
    with pytest.raises(TenantNotFound):
        await kept(world, stranger, seller)
    with pytest.raises(MissingScope):
        await kept(world, stranger, stranger)
