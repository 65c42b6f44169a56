"""Budgets of a tenant: begun, revised, deleted, and what they hold for what nobody knows let go. By
the tenant itself, or by who manages it, the operator or the reseller who created it: each its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.budget_port import ReleasedHold, RemovedBudget, RevisedBudget, StoredBudget
from commands.decisions import Command, Decided, Tenancy, require_version
from commands.execution_usage import is_unresolved_since, stream_of_attempt
from commands.tenants import managed_tenant
from domain.agents import Agent
from domain.aggregates import Aggregate
from domain.budget_rules import Mode, Period, ScopeType
from domain.budgets import (
    Budget,
    BudgetKept,
    BudgetNotFound,
    Keeper,
    Unpriced,
    thresholds,
)
from domain.credentials import ApiKey
from domain.errors import FieldError, Invalid
from domain.executions import Execution
from domain.identifiers import Json, JsonObject, TenantId
from domain.identity import User
from domain.tenants import TIME_ZONE_DEFAULT, Tenant
from domain.workflows import Workflow

SCOPED: Mapping[ScopeType, type[Aggregate]] = {
    "user": User,
    "api_key": ApiKey,
    "agent": Agent,
    "workflow": Workflow,
    "run": Execution,
}


@dataclass(frozen=True, slots=True)
class CreateBudget(Command):
    """scope_id: None is the tenant, or every run. window_s: of a rolling period. time_zone: None is
    the tenant's. notify_at: parts of the limit, as decimal strings.
    """

    requires: ClassVar[str] = "budgets:write"

    scope_type: ScopeType
    scope_id: UUID | None
    period: Period
    window_s: int | None
    time_zone: str | None
    limit_usd_pico: int
    mode: Mode
    notify_at: Sequence[str]
    unpriced: Unpriced = "refuse"


@dataclass(frozen=True, slots=True)
class ReviseBudget(Command):
    """None leaves as it is."""

    requires: ClassVar[str] = "budgets:write"

    budget_id: UUID
    limit_usd_pico: int | None = None
    mode: Mode | None = None
    notify_at: Sequence[str] | None = None
    unpriced: Unpriced | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteBudget(Command):
    requires: ClassVar[str] = "budgets:write"

    budget_id: UUID
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseBudgetHold(Command):
    """What this budget holds for an attempt of which nobody knows what it used."""

    requires: ClassVar[str] = "budgets:write"

    budget_id: UUID
    execution_id: UUID
    path: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CreateManagedBudget(Command):
    """budget: of the whole tenant, or of each of its runs. The tenant cannot change it."""

    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    budget: CreateBudget

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


@dataclass(frozen=True, slots=True)
class ReviseManagedBudget(Command):
    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    change: ReviseBudget

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


@dataclass(frozen=True, slots=True)
class DeleteManagedBudget(Command):
    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    change: DeleteBudget

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


@dataclass(frozen=True, slots=True)
class ReleaseManagedBudgetHold(Command):
    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    change: ReleaseBudgetHold

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def create_budget(command: CreateBudget, on: Tenancy) -> Decided:
    """Raises Invalid for a scope that is not of this tenant."""
    return await _begun(command, on)


async def create_managed_budget(command: CreateManagedBudget, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    return await _begun(command.budget, on)


async def revise_managed_budget(command: ReviseManagedBudget, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    return await revise_budget(command.change, on)


async def delete_managed_budget(command: DeleteManagedBudget, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    return await delete_budget(command.change, on)


async def release_managed_budget_hold(command: ReleaseManagedBudgetHold, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    return await release_budget_hold(command.change, on)


async def _begun(command: CreateBudget, on: Tenancy) -> Decided:
    await _require_scope(command, on)
    told: JsonObject = {
        "scope_type": command.scope_type,
        "scope_id": None if command.scope_id is None else str(command.scope_id),
        "period": command.period,
        "window_s": command.window_s,
        "time_zone": command.time_zone or await _time_zone(on),
    }
    budget = on.begin(
        Budget,
        on.ports.ids.new(),
        **told,
        limit_usd_pico=command.limit_usd_pico,
        mode=command.mode,
        notify_at=[*thresholds(command.notify_at)],
        unpriced=command.unpriced,
        keeper=_keeper_of(on),
    )
    row = StoredBudget(budget.id, {**told, **_columns(budget), "keeper": budget.keeper})
    return Decided(_present(budget), aggregates=(budget,), side_rows=(row,))


async def revise_budget(command: ReviseBudget, on: Tenancy) -> Decided:
    budget = await _kept_budget(command.budget_id, on)
    require_version(budget, command.expected_version)
    budget.revise(
        limit_usd_pico=command.limit_usd_pico,
        mode=command.mode,
        notify_at=command.notify_at,
        unpriced=command.unpriced,
    )
    row = RevisedBudget(budget.id, _columns(budget))
    return Decided(_present(budget), aggregates=(budget,), side_rows=(row,))


async def delete_budget(command: DeleteBudget, on: Tenancy) -> Decided:
    """What attempts hold of it they go on to hold; it refuses nobody any more."""
    budget = await _kept_budget(command.budget_id, on)
    require_version(budget, command.expected_version)
    budget.delete()
    result: JsonObject = {"budget_id": str(budget.id), "is_deleted": True}
    return Decided(result, aggregates=(budget,), side_rows=(RemovedBudget(budget.id),))


async def release_budget_hold(command: ReleaseBudgetHold, on: Tenancy) -> Decided:
    """Only for what is unresolved: what runs will tell what it cost. Raises UsageNotUnresolved."""
    budget = await _kept_budget(command.budget_id, on)
    stream = await stream_of_attempt(command.execution_id, on)
    is_unresolved_since(stream, command.path, command.attempt)
    on.keep(stream)
    budget.release(str(command.execution_id), command.path, command.attempt)
    row = ReleasedHold(budget.id, command.execution_id, command.path, command.attempt)
    return Decided(_present(budget), aggregates=(budget,), side_rows=(row,))


async def _kept_budget(budget_id: UUID, on: Tenancy) -> Budget:
    """One that the caller may change: of who manages the tenant, what the tenant itself keeps does
    not exist for them. Raises BudgetNotFound, BudgetKept.
    """
    budget = await on.load(Budget, budget_id, BudgetNotFound)
    budget.require_present()
    keeper = _keeper_of(on)
    may_change = ("operator", "reseller") if keeper == "operator" else (keeper,)
    if budget.keeper in may_change:
        return budget
    on.keep(budget)
    raise BudgetKept(keeper=budget.keeper) if keeper == "tenant" else BudgetNotFound


def _keeper_of(on: Tenancy) -> Keeper:
    if on.caller.is_operator:
        return "operator"
    return "tenant" if on.caller.tenant_id == on.tenant_id else "reseller"


async def _time_zone(on: Tenancy) -> str:
    tenant = await on.ports.events.load(Tenant, on.tenant_id, on.tenant_id)
    if tenant is None:
        return TIME_ZONE_DEFAULT
    on.keep(tenant)
    return tenant.time_zone


async def _require_scope(command: CreateBudget, on: Tenancy) -> None:
    if command.scope_id is None:
        return
    scoped = await on.ports.events.load(SCOPED[command.scope_type], command.scope_id, on.tenant_id)
    if scoped is None:
        reason = f"there is no such {command.scope_type}"
        raise Invalid(errors=[FieldError("/scope/id", "unknown", reason)])
    on.keep(scoped)


def _columns(budget: Budget) -> JsonObject:
    notify_at: list[Json] = [*budget.notify_at]
    return {
        "limit_usd_pico": budget.limit_usd_pico,
        "is_hard": budget.mode == "hard",
        "notify_at": notify_at,
        "allows_unpriced": budget.unpriced == "allow",
    }


def _present(budget: Budget) -> JsonObject:
    return {"budget_id": str(budget.id), "version": budget.version}
