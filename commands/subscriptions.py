"""Subscriptions: a tenant pays for a version of a plan, and is on it. By the operator, or by the
reseller who created the tenant. The tenant's plan changes in the same append, so that limits follow
what is paid for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.deadline_port import StoredDeadline
from commands.decisions import Command, Decided, Tenancy, require_version
from commands.plan_port import StoredTenantPlan
from commands.plans import load_plan
from commands.ports import SideRow
from commands.tenants import managed_tenant
from domain.identifiers import JsonObject, TenantId
from domain.plans import STANDARD_ID, PlanNotFound
from domain.subscription_phases import SubscribedPlan
from domain.subscriptions import Subscription, SubscriptionNotFound, When, subscription_id
from domain.tenants import Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    """plan_version: None is the newest, and stays the one it was. starts_at: None is now.
    trial_days: None is what the plan says.
    """

    requires: ClassVar[str] = "subscriptions:write"

    tenant_id: UUID
    plan_id: UUID
    plan_version: int | None = None
    starts_at: datetime | None = None
    trial_days: int | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def subscribe(command: Subscribe, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    plan = await _offered(command.plan_id, command.plan_version, on)
    stream_id = subscription_id(on.tenant_id)
    subscription = await on.ports.events.load(Subscription, stream_id, on.tenant_id)
    now = on.ports.clock.now()
    trial_days = plan.terms.trial_days if command.trial_days is None else command.trial_days
    subscription = subscription or on.begin(Subscription, stream_id)
    subscription.start(
        plan,
        starts_at=command.starts_at or now,
        trial_days=trial_days,
        time_zone=tenant.time_zone,
        now=now,
    )
    return changed_subscription(subscription, tenant)


@dataclass(frozen=True, slots=True)
class ChangeSubscription(Command):
    """To another plan or version. when: `period_end` is the end of the present period."""

    requires: ClassVar[str] = "subscriptions:write"

    tenant_id: UUID
    plan_id: UUID
    plan_version: int | None
    when: When
    expected_version: int | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def change_subscription(command: ChangeSubscription, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    plan = await _offered(command.plan_id, command.plan_version, on)
    subscription = await _subscription(on)
    require_version(subscription, command.expected_version)
    subscription.change_plan(plan, when=command.when, now=on.ports.clock.now())
    return changed_subscription(subscription, tenant)


@dataclass(frozen=True, slots=True)
class CancelSubscription(Command):
    """What is left of the period is given back when it ends now."""

    requires: ClassVar[str] = "subscriptions:write"

    tenant_id: UUID
    when: When
    reason: str
    expected_version: int | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def cancel_subscription(command: CancelSubscription, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    subscription = await _subscription(on)
    require_version(subscription, command.expected_version)
    subscription.cancel(when=command.when, reason=command.reason, now=on.ports.clock.now())
    return changed_subscription(subscription, tenant)


@dataclass(frozen=True, slots=True)
class ResumeSubscription(Command):
    """Takes back the end and the change that are scheduled."""

    requires: ClassVar[str] = "subscriptions:write"

    tenant_id: UUID
    expected_version: int | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def resume_subscription(command: ResumeSubscription, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    subscription = await _subscription(on)
    require_version(subscription, command.expected_version)
    subscription.resume(on.ports.clock.now())
    return changed_subscription(subscription, tenant)


@dataclass(frozen=True, slots=True)
class AdvanceSubscription(Command):
    """A time has come. By the platform alone."""

    requires: ClassVar[str] = "deadlines:meet"


async def advance_subscription(command: AdvanceSubscription, on: Tenancy) -> Decided:
    del command
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    subscription = await _subscription(on)
    subscription.advance(on.ports.clock.now())
    return changed_subscription(subscription, tenant)


async def _subscription(on: Tenancy) -> Subscription:
    return await on.load(Subscription, subscription_id(on.tenant_id), SubscriptionNotFound)


async def _offered(plan_id: UUID, plan_version: int | None, on: Tenancy) -> SubscribedPlan:
    """Raises PlanNotFound, PlanVersionNotFound, PlanArchived."""
    plan = await load_plan(on, plan_id)
    if not (on.caller.is_operator or plan.is_for_resellers):
        raise PlanNotFound
    plan.require_offered()
    version = plan_version or plan.current_version
    told: JsonObject = {"plan_id": str(plan_id), "plan_version": version, "name": plan.name}
    return SubscribedPlan.read({**told, "terms": plan.terms(version)})


def changed_subscription(subscription: Subscription, tenant: Tenant) -> Decided:
    """The tenant is on what it pays for; when that has ended, on the plan of everybody who pays for
    none. Its own overrides end with the plan that they were of.
    """
    rows: list[SideRow] = [StoredDeadline("subscription", subscription.id, subscription.due_at)]
    plan = subscription.plan
    wanted = (
        (plan.plan_id, plan.plan_version)
        if plan is not None
        else (str(STANDARD_ID), None)
        if subscription.status == "ended"
        else tenant.plan[:2]
    )
    if wanted != tenant.plan[:2]:
        plan_id, plan_version = wanted
        assert plan_id is not None
        tenant.change_plan(plan_id, plan_version=plan_version, overrides={})
        rows.append(StoredTenantPlan(UUID(plan_id), plan_version, {}))
    return Decided(_told(subscription), aggregates=(subscription, tenant), side_rows=tuple(rows))


def _told(subscription: Subscription) -> JsonObject:
    life = subscription.life
    scheduled, period = life.scheduled, life.period
    return {
        "subscription_id": str(subscription.id),
        "status": subscription.status,
        "plan_id": life.plan.plan_id,
        "plan_version": life.plan.plan_version,
        "plan_name": life.plan.name,
        "starts_at": life.starts_at.isoformat(),
        "trial_ends_at": life.trial_ends_at and life.trial_ends_at.isoformat(),
        "time_zone": life.time_zone,
        "period_start": period and period.start.isoformat(),
        "period_end": period and period.end.isoformat(),
        "ends_at": life.ends_at and life.ends_at.isoformat(),
        "next_plan": scheduled
        and {
            "plan_id": scheduled.plan.plan_id,
            "plan_version": scheduled.plan.plan_version,
            "at": scheduled.at.isoformat(),
        },
        "version": subscription.version,
    }
