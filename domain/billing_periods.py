"""Periods of invoices: calendar months of a time zone, half-open. The first may begin within
one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

MONTHS = 12


class Period(NamedTuple):
    """[start, end), in UTC."""

    start: datetime
    end: datetime


def month_after(start: datetime, time_zone: str) -> datetime:
    """When the month after the one of `start` begins in the time zone."""
    zone = ZoneInfo(time_zone)
    local = start.astimezone(zone)
    year, month = divmod(local.year * MONTHS + local.month, MONTHS)
    return datetime(year, month + 1, 1, tzinfo=zone).astimezone(UTC)


def period_at(instant: datetime, periods: Sequence[Period]) -> Period | None:
    """periods: one after the other. None for what lies before or after all of them."""
    for period in reversed(periods):
        if period.start <= instant:
            return period if instant < period.end else None
    return None
