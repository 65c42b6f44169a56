"""Plans: made, revised into new immutable versions and archived by the operator; and which one a
tenant is on, by the operator or the reseller who created the tenant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy, require_version
from commands.plan_port import ArchivedPlan, StoredPlan, StoredTenantPlan
from commands.tenants import managed_tenant
from domain.errors import FieldError, Invalid, Refused
from domain.identifiers import PLATFORM, Json, JsonObject, TenantId
from domain.plans import (
    STANDARD_ID,
    STANDARD_NAME,
    Plan,
    PlanNotFound,
    require_narrower,
    said,
)
from domain.subscriptions import Subscription, subscription_id


class PlanOfSubscription(Refused):
    """The plan of this tenant is that of its subscription: change the subscription."""

    code = "plan_of_subscription"


@dataclass(frozen=True, slots=True)
class CreatePlan(Command):
    """limits: of domain/plans.py. is_for_resellers: whether they may put their customers on it.
    terms: what it costs, as domain/plan_terms.py reads it; None: nothing.
    """

    requires: ClassVar[str] = "plans:write"

    name: str
    limits: Mapping[str, Json]
    is_for_resellers: bool
    terms: JsonObject | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


async def create_plan(command: CreatePlan, on: Tenancy) -> Decided:
    limits = said(command.limits)
    _require_consistent(limits)
    plan = on.begin(
        Plan,
        on.ports.ids.new(),
        name=command.name,
        limits=limits,
        is_for_resellers=command.is_for_resellers,
        terms=command.terms,
    )
    return _decided(plan)


@dataclass(frozen=True, slots=True)
class RevisePlan(Command):
    """None leaves something as it is; limits: those that change, None takes one away. terms: where
    has_terms, all of them; None takes them away.
    """

    requires: ClassVar[str] = "plans:write"

    plan_id: UUID
    name: str | None
    limits: Mapping[str, Json]
    is_for_resellers: bool | None
    expected_version: int | None = None
    has_terms: bool = False
    terms: JsonObject | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


async def revise_plan(command: RevisePlan, on: Tenancy) -> Decided:
    plan = await load_plan(on, command.plan_id)
    require_version(plan, command.expected_version)
    plan.revise(
        name=command.name,
        limits=command.limits,
        is_for_resellers=command.is_for_resellers,
        terms=command.terms if command.has_terms else plan.terms(),
    )
    _require_consistent(plan.limits())
    return _decided(plan)


@dataclass(frozen=True, slots=True)
class ArchivePlan(Command):
    """Tenants on it stay on it."""

    requires: ClassVar[str] = "plans:write"

    plan_id: UUID
    expected_version: int | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


async def archive_plan(command: ArchivePlan, on: Tenancy) -> Decided:
    plan = await load_plan(on, command.plan_id)
    require_version(plan, command.expected_version)
    plan.archive()
    result: JsonObject = {"plan_id": str(plan.id), "is_archived": True}
    return Decided(result, aggregates=(plan,), side_rows=(ArchivedPlan(plan.id),))


@dataclass(frozen=True, slots=True)
class AssignPlan(Command):
    """plan_version: None follows the newest. overrides: single limits of the tenant's own; None in
    them is no limit.
    """

    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    plan_id: UUID
    plan_version: int | None
    overrides: Mapping[str, Json]

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def assign_plan(command: AssignPlan, on: Tenancy) -> Decided:
    """At once, whatever the tenant has: what is there stays, and more of it is refused."""
    tenant = await managed_tenant(on)
    plan = await load_plan(on, command.plan_id)
    if not (on.caller.is_operator or plan.is_for_resellers):
        raise PlanNotFound
    plan.require_offered()
    limits = plan.limits(command.plan_version)
    if not on.caller.is_operator:
        require_narrower(command.overrides, limits)
    await _require_subscribed(command, on)
    overrides = dict(command.overrides)
    effective = said({**limits, **overrides})
    _require_consistent(effective, "/overrides")
    tenant.change_plan(str(plan.id), plan_version=command.plan_version, overrides=overrides)
    result: JsonObject = {
        "tenant_id": str(tenant.id),
        "plan_id": str(plan.id),
        "plan_name": plan.name,
        "plan_version": command.plan_version or plan.current_version,
        "follows_newest": command.plan_version is None,
        "limits": effective,
    }
    row = StoredTenantPlan(plan.id, command.plan_version, overrides)
    return Decided(result, aggregates=(tenant,), side_rows=(row,))


async def _require_subscribed(command: AssignPlan, on: Tenancy) -> None:
    """Raises PlanOfSubscription, for anything but the version that is paid for."""
    stream_id = subscription_id(on.tenant_id)
    subscription = await on.ports.events.load(Subscription, stream_id, on.tenant_id)
    if subscription is None:
        return
    plan = subscription.plan
    on.keep(subscription)
    if plan is not None and plan[:2] != (str(command.plan_id), command.plan_version):
        raise PlanOfSubscription(plan_id=plan.plan_id, plan_version=plan.plan_version)


async def load_plan(on: Tenancy, plan_id: UUID) -> Plan:
    """Raises PlanNotFound. The standard plan is there before it was ever revised."""
    plan = await on.ports.events.load(Plan, plan_id, PLATFORM)
    if plan is not None:
        return plan
    if plan_id != STANDARD_ID:
        raise PlanNotFound
    standard: JsonObject = {"name": STANDARD_NAME, "limits": {}, "is_for_resellers": True}
    return on.begin(Plan, STANDARD_ID, **standard, terms=None)


def _require_consistent(limits: Mapping[str, Json], at: str = "/limits") -> None:
    burst, per_min = limits.get("requests_burst"), limits.get("requests_per_min")
    if isinstance(burst, int) and not (isinstance(per_min, int) and burst <= per_min):
        reason = "at most requests_per_min, which has to be said too, is expected"
        raise Invalid(errors=[FieldError(f"{at}/requests_burst", "burst_too_large", reason)])


def _decided(plan: Plan) -> Decided:
    result: JsonObject = {
        "plan_id": str(plan.id),
        "plan_version": plan.current_version,
        "name": plan.name,
        "limits": plan.limits(),
        "terms": plan.terms(),
        "is_for_resellers": plan.is_for_resellers,
        "version": plan.version,
    }
    told = (plan.name, plan.limits(), plan.is_for_resellers, plan.terms())
    row = StoredPlan(plan.id, plan.current_version, *told)
    if plan.id == STANDARD_ID and plan.current_version == 1:
        return Decided(result, aggregates=())  # Nothing changed, and it needs no events yet.
    return Decided(result, aggregates=(plan,), side_rows=(row,))
