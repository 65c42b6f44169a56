"""What becomes of a subscription as time passes, and what it costs. Amounts are worked by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from domain.billing_periods import Cycle
from domain.subscription_phases import SubscribedPlan
from domain.subscriptions import (
    AlreadySubscribed,
    NothingScheduled,
    StartInThePast,
    Subscription,
    SubscriptionEnded,
)
from tests.domain.given import Story

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def day(month: int, day_of_month: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day_of_month, hour, tzinfo=UTC)


def terms(
    usd: str, interval: str = "month", *, minimum: str = "0", tokens: int | None = None
) -> Any:
    included = [{"meter": "output_tokens", "model": "*", "quantity": tokens}] if tokens else []
    return {
        "interval": interval,
        "recurring_usd": usd,
        "minimum_usd": minimum,
        "trial_days": 0,
        "included": included,
    }


def plan(name: str, document: Any) -> SubscribedPlan:
    told: Any = {"plan_id": str(UUID(int=ord(name[0]))), "plan_version": 1, "name": name}
    return SubscribedPlan.read({**told, "terms": document})


A = plan("A", terms("31", minimum="62", tokens=3100))
B = plan("B", terms("62"))
YEARLY = plan("Y", terms("365", "year"))


def a_subscription() -> Story[Subscription]:
    return Story(Subscription(id=UUID(int=1)))


def start(
    told: SubscribedPlan = A,
    at: datetime = JANUARY,
    *,
    days: int = 0,
    zone: str = "UTC",
    now: datetime | None = None,
):
    return lambda story: story.aggregate.start(
        told, starts_at=at, trial_days=days, time_zone=zone, now=now or at
    )


def change(told: SubscribedPlan, now: datetime, when: Any = "now"):
    return lambda story: story.aggregate.change_plan(told, when=when, now=now)


def cancel(now: datetime, when: Any = "period_end"):
    return lambda story: story.aggregate.cancel(when=when, reason="", now=now)


def resume(now: datetime):
    return lambda story: story.aggregate.resume(now)


def advance(now: datetime):
    return lambda story: story.aggregate.advance(now)


def lines(
    story: Story[Subscription], start: datetime, end: datetime
) -> list[tuple[str, str, Fraction]]:
    charged = story.aggregate.charges(start, end)
    return [(one.kind, one.description, one.amount_usd) for one in charged]


def total(story: Story[Subscription], start: datetime, end: datetime) -> Fraction:
    return sum((amount for *_, amount in lines(story, start, end)), Fraction(0))


def test_it_begins_with_a_period_that_is_charged_for_in_advance() -> None:
    story = a_subscription().when(start())
    story.then_topics("subscription.started", "subscription.period_started")
    assert story.aggregate.status == "active"
    assert story.aggregate.due_at == day(2, 1)
    assert lines(story, JANUARY, day(2, 1)) == [("recurring", "A", Fraction(31))]
    assert total(story, day(2, 1), day(5, 1)) == 3 * 31


def test_a_trial_costs_nothing_and_the_first_period_follows_it() -> None:
    story = (
        a_subscription()
        .when(start(days=14))
        .then_topics("subscription.started", "subscription.trial_started")
    )
    assert story.aggregate.status == "trialing"
    assert lines(story, JANUARY, day(1, 15)) == []
    story.when(advance(day(1, 15))).then_topics("subscription.period_started")
    assert story.aggregate.status == "active"
    (charge,) = story.aggregate.charges(JANUARY, day(2, 1))
    assert (charge.start, charge.end) == (day(1, 15), day(2, 15))


def test_one_that_begins_later_holds_from_then_on() -> None:
    story = a_subscription().when(start(at=day(3, 1), now=JANUARY))
    assert (story.aggregate.status, story.aggregate.plan) == ("scheduled", None)
    story.when(advance(day(3, 1))).then_topics("subscription.period_started")
    assert story.aggregate.plan == A


def test_nothing_begins_in_the_past_and_nothing_twice() -> None:
    with pytest.raises(StartInThePast):
        start(now=day(1, 2))(a_subscription())
    with pytest.raises(AlreadySubscribed):
        start(B, day(1, 2))(a_subscription().when(start()))


def test_a_change_at_once_gives_back_the_rest_of_the_one_and_charges_that_of_the_other() -> None:
    story = a_subscription().when(start()).when(change(B, day(1, 11)))
    story.then_topics("subscription.plan_changed")
    assert lines(story, JANUARY, day(2, 1)) == [
        ("recurring", "A", Fraction(31)),
        ("proration", "Unused time on A", Fraction(-21)),
        ("proration", "Remaining time on B", Fraction(42)),
    ]
    assert total(story, day(2, 1), day(3, 1)) == 62


def test_a_change_with_the_next_period_needs_no_proration_and_can_be_taken_back() -> None:
    story = a_subscription().when(start()).when(change(B, day(1, 11), "period_end"))
    story.then_topics("subscription.change_scheduled")
    assert total(story, JANUARY, day(2, 1)) == 31
    assert total(story, day(2, 1), day(3, 1)) == 62, "known before it was noticed"
    story.when(resume(day(1, 20))).then_topics("subscription.resumed")
    assert total(story, day(2, 1), day(3, 1)) == 31
    story.when(change(B, day(1, 21), "period_end")).when(advance(day(2, 1)))
    story.then_topics("subscription.plan_changed", "subscription.period_started")
    assert story.aggregate.plan == B


def test_another_interval_begins_at_once_with_a_period_of_its_own() -> None:
    story = a_subscription().when(start()).when(change(YEARLY, day(1, 11)))
    story.then_topics("subscription.plan_changed", "subscription.period_started")
    assert lines(story, JANUARY, day(2, 1)) == [
        ("recurring", "A", Fraction(31)),
        ("recurring", "Y", Fraction(365)),
        ("proration", "Unused time on A", Fraction(-21)),
    ]
    assert total(story, day(2, 1), day(12, 31)) == 0


def test_it_ends_with_its_period_unless_it_is_resumed_before() -> None:
    story = a_subscription().when(start()).when(cancel(day(1, 11)))
    story.then_topics("subscription.cancellation_scheduled")
    story.when(resume(day(1, 12))).then_topics("subscription.resumed")
    story.when(advance(day(2, 1))).then_topics("subscription.period_started")
    story.when(cancel(day(2, 2))).when(advance(day(3, 1))).then_topics("subscription.ended")
    assert (story.aggregate.status, story.aggregate.due_at) == ("ended", None)
    assert total(story, JANUARY, day(12, 1)) == 62
    with pytest.raises(SubscriptionEnded):
        resume(day(3, 2))(story)


def test_an_end_at_once_gives_back_the_rest() -> None:
    story = a_subscription().when(start()).when(cancel(day(1, 11), "now"))
    story.then_topics("subscription.ended")
    assert total(story, JANUARY, day(2, 1)) == 10


def test_nothing_is_resumed_where_nothing_is_scheduled() -> None:
    with pytest.raises(NothingScheduled):
        resume(day(1, 2))(a_subscription().when(start()))


def test_after_the_end_another_life_begins() -> None:
    story = a_subscription().when(start()).when(cancel(day(1, 11), "now"))
    story.when(start(B, day(2, 10))).then_topics(
        "subscription.started", "subscription.period_started"
    )
    assert total(story, JANUARY, day(3, 1)) == 10 + 62


def test_what_was_not_noticed_for_long_is_recorded_one_by_one() -> None:
    story = a_subscription().when(start()).when(advance(day(4, 15)))
    story.then_topics(*["subscription.period_started"] * 3)


def test_what_is_included_lies_evenly_in_its_period_also_in_a_trial() -> None:
    story = a_subscription().when(start(days=10))
    (allowance,) = story.aggregate.included(JANUARY, day(1, 6))
    assert allowance == ("output_tokens", "*", Fraction(1550))
    (allowance,) = story.aggregate.included(day(1, 11), day(2, 11))
    assert allowance.quantity == 3100
    assert a_subscription().when(start(B)).aggregate.included(JANUARY, day(2, 1)) == []


def test_the_minimum_is_what_usage_is_short_of_and_none_in_a_trial() -> None:
    story = a_subscription().when(start())
    missing = story.aggregate.minimum(JANUARY, day(2, 1), Fraction(12))
    assert missing is not None
    assert (missing.kind, missing.amount_usd) == ("minimum", Fraction(50))
    assert story.aggregate.minimum(JANUARY, day(2, 1), Fraction(62)) is None
    trial = a_subscription().when(start(days=31)).aggregate
    assert trial.minimum(JANUARY, day(2, 1), Fraction(0)) is None


@pytest.mark.parametrize(
    ("zone", "anchor", "interval", "ends"),
    [
        ("UTC", "2027-01-31T09:00:00", "month", ["2027-02-28", "2027-03-31", "2027-04-30"]),
        ("UTC", "2028-01-31T09:00:00", "month", ["2028-02-29", "2028-03-31"]),
        ("UTC", "2028-02-29T00:00:00", "year", ["2029-02-28", "2030-02-28", "2031-02-28"]),
        ("Asia/Kathmandu", "2026-12-31T00:00:00", "month", ["2027-01-31", "2027-02-28"]),
        ("Europe/Oslo", "2027-03-01T00:00:00", "month", ["2027-04-01", "2027-05-01"]),
        ("America/New_York", "2026-10-31T00:30:00", "month", ["2026-11-30", "2026-12-31"]),
    ],
)
def test_periods_follow_the_calendar_of_the_time_zone(
    zone: str, anchor: str, interval: Any, ends: Sequence[str]
) -> None:
    local = datetime.fromisoformat(anchor).replace(tzinfo=ZoneInfo(zone))
    cycle = Cycle(local.astimezone(UTC), interval, zone)
    found = [cycle.boundary(place + 1).astimezone(ZoneInfo(zone)) for place in range(len(ends))]
    assert [one.strftime("%Y-%m-%d") for one in found] == ends
    assert {one.strftime("%H:%M") for one in found} == {local.strftime("%H:%M")}


def test_a_period_with_a_short_day_is_an_hour_shorter() -> None:
    cycle = Cycle(datetime(2027, 2, 28, 23, tzinfo=UTC), "month", "Europe/Oslo")
    start, end = cycle.period(0)
    assert end - start == timedelta(days=31) - timedelta(hours=1)


MOMENTS = st.integers(0, 200 * 86_400).map(lambda seconds: JANUARY + timedelta(seconds=seconds))
PLANS = st.sampled_from([A, B, YEARLY])
ZONES = st.sampled_from(["UTC", "Europe/Oslo", "Asia/Kathmandu", "America/New_York"])


@st.composite
def histories(draw: Any) -> Story[Subscription]:
    """Changes, ends and resumptions at random times."""
    story = a_subscription()
    story.when(start(draw(PLANS), days=draw(st.sampled_from([0, 0, 9])), zone=draw(ZONES)))
    for moment in sorted(draw(st.lists(MOMENTS, max_size=5))):
        when = draw(st.sampled_from(["now", "period_end"]))
        acts = [change(draw(PLANS), moment, when), cancel(moment, when), resume(moment)]
        story.when(advance(moment))
        if story.aggregate.has_ended:
            break
        act = draw(st.sampled_from(acts[: 3 if story.aggregate.life.scheduled else 2]))
        story.when(act)
    return story


@settings(max_examples=40)
@for_all(histories(), st.lists(MOMENTS, min_size=1, max_size=4), st.integers(0, 300))
def test_the_charges_of_adjoining_times_add_up_to_those_of_the_whole(
    story: Story[Subscription], cuts: Sequence[datetime], usage: int
) -> None:
    subscription, whole_end = story.aggregate, datetime(2027, 2, 1, tzinfo=UTC)
    edges = [JANUARY, *sorted(cuts), whole_end]
    parts = list(pairwise(edges))
    assert sum(total(story, *part) for part in parts) == total(story, JANUARY, whole_end)
    quantities = [
        sum((one.quantity for one in subscription.included(*part)), Fraction(0))
        for part in [*parts, (JANUARY, whole_end)]
    ]
    assert sum(quantities[:-1], Fraction(0)) == quantities[-1]


@settings(max_examples=40)
@for_all(histories(), MOMENTS)
def test_changing_there_and_back_at_one_instant_costs_nothing(
    story: Story[Subscription], moment: datetime
) -> None:
    subscription, end = story.aggregate, datetime(2027, 2, 1, tzinfo=UTC)
    decided_at = max([moment, *(mark.at for mark in subscription.life.changes)])
    story.when(advance(decided_at))
    if subscription.has_ended:
        return
    here = subscription.life.plan
    if here.terms.interval != "month" or subscription.life.scheduled is not None:
        return  # Another interval begins a period of its own.
    before = total(story, JANUARY, end)
    there = B if here.name == "A" else A
    back = A if here.name == "A" else B
    story.when(change(there, decided_at)).when(change(back, decided_at))
    assert total(story, JANUARY, end) == before


@settings(max_examples=40)
@for_all(histories(), st.lists(MOMENTS, max_size=3))
def test_what_is_owed_does_not_depend_on_when_somebody_looked(
    story: Story[Subscription], looks: Sequence[datetime]
) -> None:
    end = datetime(2027, 2, 1, tzinfo=UTC)
    before = total(story, JANUARY, end)
    for moment in sorted(looks):
        story.when(advance(moment))
    story.then_it_replays()
    assert total(story, JANUARY, end) == before
