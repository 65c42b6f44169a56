"""Billing periods: half-open, one after the other, each a calendar month or year of a time zone
from its anchor on. Instants in and out; the calendar is the zone's, so that summer time, leap days
and short months change how long a period is and never where the next one begins.

An anchor on the 31st: the last day of shorter months, and the 31st again of the next long one.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.plan_terms import Interval

MONTHS_OF = {"month": 1, "year": 12}
MICROSECOND = timedelta(microseconds=1)


class Period(NamedTuple):
    """[start, end), UTC."""

    start: datetime
    end: datetime


class Cycle(NamedTuple):
    """anchor: where its first period begins. time_zone: an IANA name."""

    anchor: datetime
    interval: Interval
    time_zone: str

    def boundary(self, index: int) -> datetime:
        """Where period `index` begins, and the one before it ends."""
        if index == 0:
            return self.anchor  # It may be in the second of two hours of the same name.
        local = self.anchor.astimezone(ZoneInfo(self.time_zone))
        months = local.year * 12 + local.month - 1 + index * MONTHS_OF[self.interval]
        year, month = months // 12, months % 12 + 1
        day = min(local.day, monthrange(year, month)[1])
        return local.replace(year=year, month=month, day=day, fold=0).astimezone(UTC)

    def index_at(self, instant: datetime) -> int:
        """Of the period that has the instant, which is not before the anchor."""
        zone = ZoneInfo(self.time_zone)
        first, local = self.anchor.astimezone(zone), instant.astimezone(zone)
        months = (local.year - first.year) * 12 + local.month - first.month
        index = max(0, months // MONTHS_OF[self.interval])
        while index > 0 and self.boundary(index) > instant:
            index -= 1
        return index

    def period(self, index: int) -> Period:
        return Period(self.boundary(index), self.boundary(index + 1))

    def period_at(self, instant: datetime) -> Period:
        return self.period(self.index_at(instant))


def days_later(instant: datetime, days: int, time_zone: str) -> datetime:
    """The same time of the day there, so many days on."""
    local = instant.astimezone(ZoneInfo(time_zone))
    return (local + timedelta(days=days)).astimezone(UTC)


def share(part: Period, whole: Period) -> Fraction:
    """How much of a period lies in another, by its length: 0 to 1, exact."""
    start, end = max(part.start, whole.start), min(part.end, whole.end)
    if end <= start:
        return Fraction(0)
    return Fraction((end - start) // MICROSECOND, (whole.end - whole.start) // MICROSECOND)
