"""Histories of what tenants pay for."""

from domain.identifiers import JsonObject, TenantId
from domain.subscriptions import Subscription
from tests.projections.histories import Stream, a_tenant

TERMS: JsonObject = {
    "interval": "month",
    "recurring_usd": "49",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [],
}
TEAM: JsonObject = {
    "plan_id": "00000000-0000-7000-8000-00000000aaaa",
    "plan_version": 1,
    "name": "Team",
    "terms": TERMS,
}
CLUB: JsonObject = {**TEAM, "plan_version": 2, "name": "Club", "terms": None}


def a_subscription(tenant_id: TenantId | None = None) -> Stream:
    """With a trial that is over, and another plan from the next period on."""
    stream = Stream(Subscription, tenant_id or a_tenant()).happens(Subscription.Created)
    stream.happens(
        Subscription.Started,
        plan=TEAM,
        starts_at="2026-01-01T00:00:00+00:00",
        trial_ends_at="2026-01-15T00:00:00+00:00",
        time_zone="Europe/Oslo",
    )
    stream.happens(
        Subscription.TrialStarted,
        period_start="2026-01-01T00:00:00+00:00",
        period_end="2026-01-15T00:00:00+00:00",
    )
    stream.happens(
        Subscription.PeriodStarted,
        period_start="2026-01-15T00:00:00+00:00",
        period_end="2026-02-15T00:00:00+00:00",
    )
    return stream.happens(Subscription.ChangeScheduled, plan=CLUB, at="2026-02-15T00:00:00+00:00")
