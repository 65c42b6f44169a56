"""subscriptions."""

from datetime import UTC, datetime

import orjson

from domain.subscriptions import Subscription
from projections.fold import rows_after
from projections.subscriptions import SUBSCRIPTIONS
from tests.projections.billing_histories import CLUB, TEAM, a_subscription
from tests.projections.histories import at


def test_a_subscription_tells_its_plan_its_period_and_what_comes_next() -> None:
    stream = a_subscription()
    (row,) = rows_after(SUBSCRIPTIONS, stream.events)
    plans = {name: orjson.loads(str(row[name])) for name in ("plan", "next_plan")}
    assert {**row, **plans} == {
        "tenant_id": stream.tenant_id,
        "subscription_id": stream.stream_id,
        "status": "active",
        "plan": TEAM,
        "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
        "trial_ends_at": datetime(2026, 1, 15, tzinfo=UTC),
        "time_zone": "Europe/Oslo",
        "period_start": datetime(2026, 1, 15, tzinfo=UTC),
        "period_end": datetime(2026, 2, 15, tzinfo=UTC),
        "ends_at": None,
        "reason": "",
        "next_plan": CLUB,
        "next_plan_at": datetime(2026, 2, 15, tzinfo=UTC),
        "updated_at": at(5),
        "version": 5,
    }


def test_what_is_scheduled_comes_or_is_taken_back() -> None:
    stream = a_subscription()
    stream.happens(
        Subscription.CancellationScheduled, at="2026-02-15T00:00:00+00:00", reason="too dear"
    )
    (row,) = rows_after(SUBSCRIPTIONS, stream.events)
    assert (row["ends_at"], row["reason"]) == (datetime(2026, 2, 15, tzinfo=UTC), "too dear")
    (row,) = rows_after(SUBSCRIPTIONS, stream.happens(Subscription.Resumed).events)
    assert (row["ends_at"], row["next_plan"], row["status"]) == (None, None, "active")
    stream.happens(Subscription.PlanChanged, plan=CLUB, at="2026-02-01T00:00:00+00:00")
    stream.happens(Subscription.Ended, at="2026-02-02T00:00:00+00:00", reason="")
    (row,) = rows_after(SUBSCRIPTIONS, stream.events)
    assert (orjson.loads(str(row["plan"])), row["status"]) == (CLUB, "ended")
