"""When schedules fire: in every time zone, through every change of the clock."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.identifiers import JsonObject
from domain.schedules import parse_schedule

TRIGGER_ID = UUID("01890000-0000-7000-8000-0000000000ff")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(told: JsonObject, after: str, count: int) -> list[str]:
    found = islice(parse_schedule(told).times(utc(after)), count)
    return [f"{time:%Y-%m-%d %H:%M}" for time in found]


def cron(expression: str, time_zone: str, after: str, count: int = 3) -> list[str]:
    return times({"cron": expression, "time_zone": time_zone}, after, count)


@pytest.mark.parametrize(
    ("expression", "time_zone", "after", "expected"),
    [
        # Berlin: 2026-03-29 02:00 to 03:00 is not there. 02:30 is taken at 03:00, once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-27 12:00",
            ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"],
        ),
        # Berlin: 2026-10-25 02:00 to 03:00 comes twice. 02:30 is the first one.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24 12:00",
            ["2026-10-25 00:30", "2026-10-26 01:30", "2026-10-27 01:30"],
        ),
        # Two times of the missing hour are one fire.
        (
            "0,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28 12:00",
            ["2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 00:30"],
        ),
        # New York: 2026-03-08 and 2026-11-01, both at 02:00.
        (
            "15 2 * * *",
            "America/New_York",
            "2026-03-07 12:00",
            ["2026-03-08 07:00", "2026-03-09 06:15", "2026-03-10 06:15"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31 12:00",
            ["2026-11-01 05:30", "2026-11-02 06:30", "2026-11-03 06:30"],
        ),
        # Every half hour follows the clock as it runs, and comes twice.
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01 05:20",
            ["2026-11-01 05:30", "2026-11-01 06:00", "2026-11-01 06:30"],
        ),
        # Lord Howe changes by half an hour: 2026-10-04 02:00 to 02:30 is not there.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02 20:00",
            ["2026-10-03 15:30", "2026-10-04 15:15", "2026-10-05 15:15"],
        ),
        # And 2026-04-05 01:30 to 02:00 comes twice.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04 00:00",
            ["2026-04-04 14:45", "2026-04-05 15:15", "2026-04-06 15:15"],
        ),
        # Kathmandu is 5:45 ahead.
        (
            "0 9 * * MON-FRI",
            "Asia/Kathmandu",
            "2026-01-02 04:00",
            ["2026-01-05 03:15", "2026-01-06 03:15", "2026-01-07 03:15"],
        ),
        # Leap days.
        (
            "0 0 29 2 *",
            "UTC",
            "2026-01-01 00:00",
            ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"],
        ),
        # The last day of each month, also of February.
        (
            "0 12 L * *",
            "UTC",
            "2028-01-31 12:00",
            ["2028-02-29 12:00", "2028-03-31 12:00", "2028-04-30 12:00"],
        ),
        # With both days named, either one counts.
        (
            "0 0 13 * FRI",
            "UTC",
            "2026-02-06 00:00",
            ["2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00"],
        ),
    ],
)
def test_cron_through_the_changes_of_the_clock(
    expression: str, time_zone: str, after: str, expected: list[str]
) -> None:
    assert cron(expression, time_zone, after) == expected


def test_in_the_hour_that_comes_twice_nothing_is_told_a_second_time() -> None:
    # 02:10 for the second time.
    assert cron("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", 1) == ["2026-10-26 01:30"]


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]


@for_all(
    st.sampled_from(ZONES),
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 */3 * * *", "5 1,2,3 * * SUN", "0 0 1 * *"]),
    st.integers(0, 4 * 365 * 86_400).map(lambda s: utc("2025-01-01 00:00") + timedelta(seconds=s)),
)
@settings(max_examples=60, deadline=None)
def test_times_only_go_forward_and_the_next_one_is_the_same_from_wherever_it_is_asked(
    time_zone: str, expression: str, after: datetime
) -> None:
    schedule = parse_schedule({"cron": expression, "time_zone": time_zone})
    found = list(islice(schedule.times(after), 4))
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    assert [schedule.next_time(time) for time in found[:-1]] == found[1:]


def test_an_interval_counts_from_1970_with_its_phase() -> None:
    told: JsonObject = {"every_s": 3600, "phase_s": 900}
    expected = ["2026-01-01 00:15", "2026-01-01 01:15"]
    assert times(told, "2025-12-31 23:15", 2) == expected
    assert times(told, "2026-01-01 00:14", 2) == expected


def test_a_schedule_begins_with_its_start_and_stops_before_its_end() -> None:
    told: JsonObject = {
        "every_s": 3600,
        "start_at": "2026-01-01T03:00:00+01:00",
        "end_at": "2026-01-01T04:00:00Z",
    }
    assert times(told, "2025-01-01 00:00", 5) == ["2026-01-01 02:00", "2026-01-01 03:00"]


def test_jitter_is_bounded_and_the_same_for_everybody() -> None:
    schedule = parse_schedule({"every_s": 600, "jitter_s": 60})
    due = [
        schedule.due_at(TRIGGER_ID, time) - time
        for time in islice(schedule.times(utc("2026-01-01 00:00")), 20)
    ]
    again = [
        schedule.due_at(TRIGGER_ID, time) - time
        for time in islice(schedule.times(utc("2026-01-01 00:00")), 20)
    ]
    assert due == again
    assert all(timedelta(0) <= late < timedelta(seconds=60) for late in due)
    assert len(set(due)) > 10


@pytest.mark.parametrize(
    ("told", "path", "code"),
    [
        ({}, "/schedule", "cron_or_every"),
        ({"cron": "* * * * *", "every_s": 60}, "/schedule", "cron_or_every"),
        ({"cron": "61 * * * *"}, "/schedule/cron", "invalid_cron"),
        ({"cron": "0 0 0 * * *"}, "/schedule/cron", "invalid_cron"),
        ({"cron": "0 0 31 2 *"}, "/schedule/cron", "invalid_cron"),
        ({"cron": "* * */20 * 1L"}, "/schedule/cron", "never"),
        ({"cron": "*" * 201}, "/schedule/cron", "too_long"),
        (
            {"cron": "* * * * *", "time_zone": "Mars/Base"},
            "/schedule/time_zone",
            "unknown_time_zone",
        ),
        ({"cron": "* * * * *", "time_zone": "Europe"}, "/schedule/time_zone", "unknown_time_zone"),
        ({"cron": "* * * * *", "time_zone": "../etc"}, "/schedule/time_zone", "unknown_time_zone"),
        ({"cron": "* * * * *", "phase_s": 5}, "/schedule/phase_s", "without_every_s"),
        ({"every_s": 9}, "/schedule/every_s", "out_of_range"),
        ({"every_s": 60, "phase_s": 60}, "/schedule/phase_s", "out_of_range"),
        ({"every_s": 60, "time_zone": "UTC"}, "/schedule/time_zone", "without_cron"),
        ({"every_s": 60, "jitter_s": 61}, "/schedule/jitter_s", "out_of_range"),
        ({"every_s": 60, "start_at": "2026-01-01"}, "/schedule/start_at", "invalid_time"),
        (
            {"every_s": 60, "start_at": "2026-01-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"},
            "/schedule/end_at",
            "before_start",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(told: JsonObject, path: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_schedule(told)
    assert [(error.path, error.code) for error in refused.value.errors] == [(path, code)]
