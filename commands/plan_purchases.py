"""Plans that tenants buy for themselves: those that cost something. What is paid at once is credit,
which the first invoice of the subscription burns; so a plan is charged in one place only.
"""

import logging
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from commands.decisions import Decided, Tenancy
from commands.plans import load_plan
from commands.subscriptions import changed_subscription
from domain.errors import Refused
from domain.payments import Payment
from domain.plan_terms import terms_from
from domain.subscription_phases import SubscribedPlan
from domain.subscriptions import Subscription, subscription_id
from domain.tenants import Tenant, TenantNotFound

CENT = Decimal("0.01")

log = logging.getLogger(__name__)


class PlanNotForSale(Refused):
    """This plan costs nothing; the operator says who is on it."""

    code = "plan_not_for_sale"


class AlreadyOnPlan(Refused):
    """This tenant has this plan."""

    code = "already_on_plan"


class PlanOffer(NamedTuple):
    """amount: to be paid at once, in USD; None: nothing yet, for it begins with a trial."""

    plan_id: UUID
    plan_version: int
    name: str
    amount: str | None


async def plan_offer(plan_id: UUID, on: Tenancy) -> PlanOffer:
    """The newest version. Raises PlanNotFound, PlanArchived, PlanNotForSale, AlreadyOnPlan."""
    plan = await load_plan(on, plan_id)
    plan.require_offered()
    terms = terms_from(plan.terms())
    if terms.recurring_usd <= 0:
        raise PlanNotForSale(plan_id=str(plan_id))
    subscription = await _subscription(on)
    current = None if subscription is None or subscription.has_ended else subscription.life.plan
    if current is not None and current[:2] == (str(plan_id), plan.current_version):
        raise AlreadyOnPlan(plan_id=str(plan_id))
    has_trial = subscription is None and terms.trial_days > 0
    amount = None if has_trial else _in_cents(terms.recurring_usd)
    return PlanOffer(plan_id, plan.current_version, plan.name, amount)


async def plan_bought(payment: Payment, on: Tenancy) -> Decided | None:
    """The tenant is on it from now on. None: it cannot be any more, and what was paid is credit."""
    assert payment.plan_id is not None
    plan = await load_plan(on, UUID(payment.plan_id))
    version = payment.plan_version
    bought = SubscribedPlan.read(
        {
            "plan_id": payment.plan_id,
            "plan_version": version,
            "name": plan.name,
            "terms": plan.terms(version),
        }
    )
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    now = on.ports.clock.now()
    subscription = await _subscription(on)
    is_first = subscription is None
    subscription = subscription or on.begin(Subscription, subscription_id(on.tenant_id))
    try:
        if subscription.has_ended:
            subscription.start(
                bought,
                starts_at=now,
                trial_days=bought.terms.trial_days if is_first else 0,
                time_zone=tenant.time_zone,
                now=now,
            )
        else:
            subscription.change_plan(bought, when="now", now=now)
    except Refused as refusal:
        log.error("payment %s buys no plan: %s", payment.id, refusal.detail)  # noqa: TRY400 # the reason is in the words
        return None
    return changed_subscription(subscription, tenant)


async def _subscription(on: Tenancy) -> Subscription | None:
    return await on.ports.events.load(Subscription, subscription_id(on.tenant_id), on.tenant_id)


def _in_cents(usd: Fraction) -> str:
    exact = Decimal(usd.numerator) / Decimal(usd.denominator)
    return str(exact.quantize(CENT, ROUND_HALF_EVEN))
