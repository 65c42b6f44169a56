"""What a trigger fires, misses and puts off, and how it is steered."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Invalid
from domain.identifiers import Json, JsonObject
from domain.trigger_fires import (
    BACKFILL_TIMES_MAX,
    COUNTED_MAX,
    WAIT_S,
    DueFire,
    backfill,
    fire,
    look_at,
    miss,
    next_fire,
    settle,
)
from domain.triggers import (
    BackfillUnderWay,
    NotScheduled,
    NoWebhook,
    Trigger,
    TriggerNotFound,
    TriggerText,
)
from tests.domain.given import Act, Story, given, raises

TRIGGER_ID = UUID("01890000-0000-7000-8000-0000000000ff")
RUN = UUID(int=7)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY: JsonObject = {"every_s": 3600}


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def text_of(schedule: JsonObject | None = HOURLY, **policy: Json) -> TriggerText:
    said: JsonObject = {
        "overlap": "skip",
        "catch_up_window_s": 3600,
        "catch_up_fires_max": 1,
        "pause_after_failures": None,
        **policy,
    }
    webhook: JsonObject | None = {} if schedule is None else None
    return TriggerText("Hourly", None, schedule, webhook, None, said)


def a_trigger(schedule: JsonObject | None = HOURLY, **policy: Json) -> Story[Trigger]:
    """Made at midnight."""
    text = text_of(schedule, **policy)
    trigger = Trigger(
        id=TRIGGER_ID,
        workflow_id=str(UUID(int=1)),
        name=text.name,
        workflow_version=None,
        schedule=text.schedule,
        webhook=text.webhook,
        input=None,
        policy=text.policy,
        decided_until=MIDNIGHT.isoformat(),
        created_by="user:ada",
    )
    return given(Story(trigger))


def look(hours: float, run: UUID = RUN, reason: str | None = None) -> Act:
    """What a worker does then: it begins what is to begin."""

    def act(story: Any) -> DueFire | None:
        due = next_fire(story.aggregate, at(hours), reason)
        if due is not None:
            fire(story.aggregate, due, run)
        return due

    return act


def ended(status: str = "COMPLETED", run: UUID = RUN) -> Act:
    return lambda story: settle(story.aggregate, str(run), status)


def order(after: float, to: float, now: float) -> Act:
    return lambda story: backfill(story.aggregate, at(after), at(to), at(now))


def fired(hours: float, kind: str = "schedule", *, is_tracked: bool = True) -> Any:
    facts = {"execution_id": str(RUN), "is_tracked": is_tracked}
    return ("trigger.fired", {"kind": kind, "nominal_at": at(hours).isoformat(), **facts})


def missed(first: float, last: float, count: int, reason: str, kind: str = "schedule") -> Any:
    span = {"from_at": at(first).isoformat(), "to_at": at(last).isoformat()}
    return ("trigger.missed", {"kind": kind, **span, "count": count, "reason": reason})


def test_a_time_that_has_come_is_fired_once() -> None:
    story = a_trigger().when(look(1.01)).then(fired(1))
    given(story, ended()).when(look(1.02)).then()
    assert look_at(story.aggregate, at(1.02)) == at(2)


def test_nothing_fires_before_its_time() -> None:
    a_trigger().when(look(0.99)).then()


def test_times_before_it_was_made_do_not_count() -> None:
    story = a_trigger()
    assert look_at(story.aggregate, MIDNIGHT) == at(1)


def test_what_was_missed_for_too_long_is_told_and_the_newest_is_made_up_for() -> None:
    story = a_trigger().when(look(5.5))
    story.then(missed(1, 4, 4, "too_late"), fired(5))


def test_of_several_times_within_the_window_the_newest_ones_fire_one_after_the_other() -> None:
    story = a_trigger(catch_up_window_s=86_400, catch_up_fires_max=2).when(look(5.5))
    story.then(missed(1, 3, 3, "superseded"), fired(4))
    assert look_at(story.aggregate, at(5.5)) == at(5)
    given(story, ended()).when(look(5.6)).then(fired(5))


def test_a_long_absence_is_not_counted_time_by_time() -> None:
    story = a_trigger({"every_s": 10}, catch_up_window_s=60).when(look(24 * 365))
    topics = [(topic, facts["count"], facts["reason"]) for topic, facts in story.recorded[:-1]]
    assert topics == [
        ("trigger.missed", COUNTED_MAX, "too_late"),
        ("trigger.missed", 5, "superseded"),
    ]
    assert story.aggregate.decided_until == at(24 * 365)
    story.then_it_replays()


def test_times_that_waited_for_room_in_vain_say_why() -> None:
    story = a_trigger().when(look(2.5, reason="engine_behind"))
    story.then(missed(1, 1, 1, "engine_behind"), fired(2))


def test_while_a_run_is_open_the_next_is_skipped() -> None:
    story = given(a_trigger(), look(1)).when(look(2))
    story.then(missed(2, 2, 1, "overlap"))
    given(story, ended()).when(look(3)).then(fired(3))


def test_one_can_be_kept_until_the_run_has_ended_and_no_more_than_one() -> None:
    story = given(a_trigger(overlap="buffer_one"), look(1)).when(look(2))
    story.then(("trigger.buffered", {"nominal_at": at(2).isoformat()}))
    assert look_at(story.aggregate, at(2)) == at(2) + timedelta(seconds=WAIT_S)
    story.when(look(3)).then(missed(3, 3, 1, "overlap"))
    given(story, ended()).when(look(3.1)).then(fired(2, "buffered"))
    given(story, ended()).when(look(3.2)).then()


def test_of_two_times_that_come_while_a_run_is_open_the_first_is_kept() -> None:
    story = given(
        a_trigger(overlap="buffer_one", catch_up_window_s=86_400, catch_up_fires_max=5), look(1)
    )
    story.when(look(3.5)).then(
        ("trigger.buffered", {"nominal_at": at(2).isoformat()}), missed(3, 3, 1, "overlap")
    )


def test_runs_may_be_let_run_beside_each_other() -> None:
    story = given(a_trigger(overlap="allow_all"), look(1)).when(look(2))
    story.then(fired(2, is_tracked=False))


def test_where_the_other_run_is_to_be_cancelled_the_next_fires_at_its_time() -> None:
    story = given(a_trigger(overlap="cancel_other"), look(1)).when(look(2)).then(fired(2))
    assert story.aggregate.open_runs == [str(RUN), str(RUN)]


def test_it_pauses_after_so_many_failures_in_a_row() -> None:
    story = given(a_trigger(pause_after_failures=2), look(1), ended("FAILED"), look(2))
    story.when(ended("FAILED")).then_topics("trigger.settled", "trigger.paused")
    assert story.recorded[1][1] == {"reason": "failures", "note": None}
    assert look_at(story.aggregate, at(2)) is None


def test_a_run_that_succeeds_begins_the_count_anew_and_one_that_is_cancelled_does_not_count() -> (
    None
):
    story = given(
        a_trigger(pause_after_failures=2),
        *(look(1), ended("FAILED"), look(2), ended("CANCELLED"), look(3), ended("COMPLETED")),
        look(4),
    )
    story.when(ended("FAILED")).then_topics("trigger.settled")


def test_what_was_paused_is_not_made_up_for() -> None:
    story = given(a_trigger(), lambda told: told.aggregate.pause("by_hand", "holidays"))
    story.when(lambda told: told.aggregate.resume(None, at(5.5))).then(
        ("trigger.resumed", {"note": None, "decided_until": at(5.5).isoformat()})
    )
    assert look_at(story.aggregate, at(5.5)) == at(6)


def test_pausing_and_resuming_twice_is_once() -> None:
    story = a_trigger().when(lambda told: told.aggregate.resume(None, at(1))).then()
    story.when(lambda told: told.aggregate.pause("by_hand")).then_topics("trigger.paused")
    story.when(lambda told: told.aggregate.pause("by_hand")).then()


def test_a_refused_fire_is_told_and_the_next_time_counts() -> None:
    def refused(story: Any) -> None:
        due = next_fire(story.aggregate, at(1))
        assert due is not None
        miss(story.aggregate, due, "execution_quota")

    story = a_trigger().when(refused).then(missed(1, 1, 1, "execution_quota"))
    assert look_at(story.aggregate, at(1)) == at(2)


def test_a_period_is_made_up_for_run_by_run() -> None:
    story = given(a_trigger(), look(1), ended(), look(2), ended(), look(3), ended())
    story.when(order(-3, -1, 3.1))
    assert story.answer == 2
    assert look_at(story.aggregate, at(3.1)) == at(3.1)
    story.when(look(3.1)).then(fired(-2, "backfill"))
    story.when(look(3.2)).then()
    assert look_at(story.aggregate, at(3.2)) == at(3.2) + timedelta(seconds=WAIT_S)
    given(story, ended()).when(look(3.3)).then(fired(-1, "backfill"))
    given(story, ended()).when(look(3.4)).then()
    assert look_at(story.aggregate, at(3.4)) == at(4)


def test_what_is_due_goes_before_what_was_ordered() -> None:
    story = given(a_trigger(overlap="allow_all"), order(-3, -1, 0.5)).when(look(1))
    story.then(fired(1, is_tracked=False))
    story.when(look(1)).then(fired(-2, "backfill", is_tracked=False))


@pytest.mark.parametrize(
    ("period", "code"),
    [((-3, 2, 1), "in_the_future"), ((-24 * 365, 0, 1), "too_many_times")],
    ids=["in the future", "too many"],
)
def test_a_period_has_bounds(period: tuple[float, float, float], code: str) -> None:
    story = a_trigger().when(raises(Invalid, order(*period)))
    assert [(one.path, one.code) for one in story.answer.errors] == [("/to", code)]
    assert BACKFILL_TIMES_MAX < 24 * 365


def test_one_period_at_a_time() -> None:
    given(a_trigger(), order(-3, -1, 0)).when(raises(BackfillUnderWay, order(-9, -7, 0))).then()


def test_a_period_without_times_records_nothing() -> None:
    a_trigger().when(order(-0.9, -0.1, 0)).then()


def test_another_schedule_counts_from_now_on_and_ends_what_was_ordered() -> None:
    story = given(a_trigger(), order(-3, -1, 0.5))
    other = text_of({"every_s": 1800})
    story.when(lambda told: told.aggregate.change(other, at(1.6))).then_topics("trigger.changed")
    assert look_at(story.aggregate, at(1.6)) == at(2)


def test_the_same_again_changes_nothing() -> None:
    a_trigger().when(lambda told: told.aggregate.change(text_of(), at(1))).then()


def test_another_name_leaves_what_is_due() -> None:
    story = a_trigger()
    other = text_of(overlap="allow_all")
    story.when(lambda told: told.aggregate.change(other, at(1.5))).then_topics("trigger.changed")
    story.when(look(1.5)).then(fired(1, is_tracked=False))


def test_a_schedule_that_is_over_is_looked_at_no_more() -> None:
    story = a_trigger({**HOURLY, "end_at": at(1.5).isoformat()}).when(look(1)).then(fired(1))
    given(story, ended())
    assert look_at(story.aggregate, at(1)) is None


def test_a_webhook_has_no_times_and_another_path_when_asked() -> None:
    story = a_trigger(None)
    assert look_at(story.aggregate, at(1)) is None
    story.when(raises(NotScheduled, order(-3, -1, 0))).then()
    story.when(lambda told: told.aggregate.rotate()).then(
        ("trigger.rotated", {"key_generation": 2})
    )


def test_a_schedule_has_no_path() -> None:
    a_trigger().when(raises(NoWebhook, lambda told: told.aggregate.rotate())).then()


@pytest.mark.parametrize(
    "act",
    [
        lambda told: told.aggregate.delete(),
        lambda told: told.aggregate.pause("by_hand"),
        lambda told: told.aggregate.resume(None, at(1)),
        lambda told: told.aggregate.change(text_of(), at(1)),
        lambda told: told.aggregate.rotate(),
        order(-3, -1, 0),
    ],
    ids=["delete", "pause", "resume", "change", "rotate", "backfill"],
)
def test_what_was_deleted_is_not_there(act: Act) -> None:
    story = given(a_trigger(), lambda told: told.aggregate.delete())
    story.when(raises(TriggerNotFound, act)).then()
    assert look_at(story.aggregate, at(1)) is None
