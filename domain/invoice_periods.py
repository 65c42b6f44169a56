"""Periods of invoices: calendar months of a time zone. The first may begin within one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MONTHS = 12


def month_after(start: datetime, time_zone: str) -> datetime:
    """When the month after the one of `start` begins in the time zone."""
    zone = ZoneInfo(time_zone)
    local = start.astimezone(zone)
    year, month = divmod(local.year * MONTHS + local.month, MONTHS)
    return datetime(year, month + 1, 1, tzinfo=zone).astimezone(UTC)
