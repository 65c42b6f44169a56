"""subscriptions: which plan the tenant pays for, and what is about to change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from domain.identifiers import JsonObject
from domain.subscriptions import Subscription
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    json_text,
    present,
)


class SubscriptionRow(TypedDict):
    """plan, next_plan: as events have them. ends_at: when it ends or has ended."""

    tenant_id: Uuid
    subscription_id: Uuid
    status: Text
    plan: JsonText
    starts_at: Instant
    trial_ends_at: Instant | None
    time_zone: Text
    period_start: Instant | None
    period_end: Instant | None
    ends_at: Instant | None
    reason: Text
    next_plan: JsonText | None
    next_plan_at: Instant | None
    updated_at: Instant
    version: BigInt


def keys(event: Decoded) -> Sequence[Key]:
    if isinstance(event.fact, Subscription.Created):
        return ()  # The first life follows it.
    return ((event.logged.tenant_id, event.logged.stream_id),)


def evolve(row: SubscriptionRow | None, event: Decoded, _key: Key) -> SubscriptionRow:
    logged = event.logged
    if isinstance(event.fact, Subscription.Started):
        fact = event.fact
        return {
            "tenant_id": logged.tenant_id,
            "subscription_id": logged.stream_id,
            "status": "scheduled",
            "plan": json_text(fact.plan),
            "starts_at": datetime.fromisoformat(fact.starts_at),
            "trial_ends_at": instant_or_none(fact.trial_ends_at),
            "time_zone": fact.time_zone,
            "period_start": None,
            "period_end": None,
            "ends_at": None,
            "reason": "",
            "next_plan": None,
            "next_plan_at": None,
            "updated_at": logged.recorded_at,
            "version": logged.version,
        }
    moved = {"updated_at": logged.recorded_at, "version": logged.version}
    changed: Any = {**present(row), **_changes(event), **moved}
    return changed


def _changes(  # noqa: PLR0911 # one answer per event
    event: Decoded,
) -> dict[str, Any]:
    match event.fact:
        case Subscription.TrialStarted() as fact:
            return {"status": "trialing", **_period(fact.period_start, fact.period_end)}
        case Subscription.PeriodStarted() as fact:
            return {"status": "active", **_period(fact.period_start, fact.period_end)}
        case Subscription.ChangeScheduled() as fact:
            return _next(fact.plan, fact.at)
        case Subscription.PlanChanged() as fact:
            return {"plan": json_text(fact.plan), **_next(None, None)}
        case Subscription.CancellationScheduled() as fact:
            return {"ends_at": datetime.fromisoformat(fact.at), "reason": fact.reason}
        case Subscription.Resumed():
            return {"ends_at": None, "reason": "", **_next(None, None)}
        case Subscription.Ended() as fact:
            ended = {"ends_at": datetime.fromisoformat(fact.at), "reason": fact.reason}
            return {"status": "ended", **ended, **_next(None, None)}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _period(start: str, end: str) -> dict[str, Any]:
    return {
        "period_start": datetime.fromisoformat(start),
        "period_end": datetime.fromisoformat(end),
    }


def _next(plan: JsonObject | None, at: str | None) -> dict[str, Any]:
    return {
        "next_plan": None if plan is None else json_text(plan),
        "next_plan_at": instant_or_none(at),
    }


SUBSCRIPTIONS = Projection(
    name="subscriptions",
    version=1,
    row=SubscriptionRow,
    key=("tenant_id", "subscription_id"),
    stream_column="subscription_id",
    aggregate=Subscription,
    events=(
        Subscription.Created,
        Subscription.Started,
        Subscription.TrialStarted,
        Subscription.PeriodStarted,
        Subscription.ChangeScheduled,
        Subscription.PlanChanged,
        Subscription.CancellationScheduled,
        Subscription.Resumed,
        Subscription.Ended,
    ),
    keys=keys,
    evolve=evolve,
    # What the tenant pays is told to who may read all of it.
    own="false",
)
