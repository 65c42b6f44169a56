"""The subscription of the caller's tenant."""

from typing import LiteralString

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import read_row
from read_api.context import ReadInfo
from read_api.scalars import Instant, Json

SUBSCRIPTION: LiteralString = " FROM subscriptions_v1 AS sn"
TERMS = "What it costs: interval, recurring_usd, minimum_usd, included. Null: nothing."


@strawberry.type(description="Which version of which plan a tenant pays for.")
class PlanSubscription:
    id: strawberry.ID = column("sn.subscription_id")
    status: str = column("sn.status", "scheduled, trialing, active or ended.")
    plan_id: strawberry.ID = column("sn.plan->>'plan_id'")
    plan_version: int = column("(sn.plan->>'plan_version')::int")
    plan_name: str = column("sn.plan->>'name'")
    terms: Json | None = column("sn.plan->'terms'", TERMS)
    starts_at: Instant = column("sn.starts_at")
    trial_ends_at: Instant | None = column("sn.trial_ends_at")
    time_zone: str = column("sn.time_zone", "Whose calendar the periods follow.")
    period_start: Instant | None = column("sn.period_start", "Of the trial, or what is paid for.")
    period_end: Instant | None = column("sn.period_end")
    ends_at: Instant | None = column("sn.ends_at", "When it ends, or has ended.")
    reason: str = column("sn.reason", "Why it ends.")
    next_plan_id: strawberry.ID | None = column("sn.next_plan->>'plan_id'")
    next_plan_version: int | None = column("(sn.next_plan->>'plan_version')::int")
    next_plan_at: Instant | None = column("sn.next_plan_at", "When the next plan holds.")
    updated_at: Instant = column("sn.updated_at")
    version: int = column("sn.version", "For If-Match.")


async def subscription(
    info: ReadInfo, _min_position: MinPosition = None
) -> PlanSubscription | None:
    return await read_row(info, "PlanSubscription", SUBSCRIPTION, {}, make=PlanSubscription)
