"""Times that are asked for: cut into intervals of a time zone, and into what sums are kept of.

Sums are kept by days of UTC and by quarters of an hour, which no time zone cuts; some also by hours
of UTC, which few zones cut. A day of UTC is counted where its noon is; what of it lies in another
day or month of a time zone is moved there, by hours and quarters. A time is whole days between
whole hours between whole quarters; what lies before the first of these and after the last one is in
no sum and comes from single rows.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, LiteralString, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import strawberry
from graphql import GraphQLError

from read_api.context import ReadContext
from read_api.errors import coded, refuse
from read_api.limits import ReadLimits
from read_api.scalars import Instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
UTC_NAME = "UTC"
TOO_MANY = "too_many_buckets"


@strawberry.enum(description="Of the time zone that is asked for.")
class Interval(Enum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


SHORTEST: Mapping[Interval, timedelta] = {
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(hours=23),
    Interval.MONTH: timedelta(days=28),
}

From: TypeAlias = Annotated[Instant, strawberry.argument(name="from", description="Inclusive.")]
To: TypeAlias = Annotated[Instant, strawberry.argument(description="Exclusive.")]
TimeZone: TypeAlias = Annotated[
    str | None, strawberry.argument(description="IANA; the tenant's own without it.")
]

OWN_ZONE: LiteralString = "SELECT to_json(time_zone) FROM tenants_v5 LIMIT 1"

# fmt: off
START_OF: LiteralString = (
    "CASE WHEN $1->>'unit' IS NULL THEN (SELECT ($1->>'from')::timestamptz)"
    " ELSE date_trunc($1->>'unit', at, $1->>'timeZone') END"
)
# Hours are as long as any other everywhere; days and months are the zone's.
STARTS: LiteralString = (
    "bounds AS (SELECT ($1->>'from')::timestamptz AS f, ($1->>'to')::timestamptz AS t,"
    "  $1->>'timeZone' AS zone),"
    " starts AS ("
    "  SELECT f AS start FROM bounds WHERE $1->>'unit' IS NULL"
    "  UNION ALL SELECT generate_series(date_trunc('hour', f, zone),"
    "      t - interval '1 microsecond', interval '1 hour')"
    "    FROM bounds WHERE $1->>'unit' = 'hour'"
    "  UNION ALL SELECT local AT TIME ZONE zone"
    "    FROM bounds, generate_series(date_trunc($1->>'unit', f AT TIME ZONE zone),"
    "      (t - interval '1 microsecond') AT TIME ZONE zone, ('1 ' || ($1->>'unit'))::interval)"
    "      AS local WHERE $1->>'unit' IN ('day', 'month'))"
)
# main: where the day is counted. at: where what lies between f and t belongs, which are hours or
# have none in them that is asked for. A day in which the clocks are changed is looked at quarter by
# quarter.
SHIFTED: LiteralString = (
    "shifted_days AS ("
    "  SELECT day, day + interval '24 hours' AS day_end,"
    "         date_trunc($1->>'unit', day + interval '12 hours', $1->>'timeZone') AS main,"
    "         (date_trunc($1->>'unit', (day + interval '12 hours') AT TIME ZONE ($1->>'timeZone'))"
    "           + ('1 ' || ($1->>'unit'))::interval) AT TIME ZONE ($1->>'timeZone') AS next,"
    "         day AT TIME ZONE ($1->>'timeZone') + interval '24 hours'"
    "           <> (day + interval '24 hours') AT TIME ZONE ($1->>'timeZone') AS is_uneven"
    "    FROM generate_series(($1->>'daysFrom')::timestamptz,"
    "      ($1->>'shiftedTo')::timestamptz - interval '24 hours', interval '24 hours') AS day),"
    " shifted AS MATERIALIZED ("
    "  SELECT main, date_trunc($1->>'unit', part.f, $1->>'timeZone') AS at,"
    "         cut.f, cut.t, cut.is_hours"
    "    FROM shifted_days CROSS JOIN LATERAL ("
    "      SELECT f, f + interval '15 minutes' AS t"
    "        FROM generate_series(day, day_end - interval '15 minutes', interval '15 minutes') AS f"
    "       WHERE is_uneven"
    "      UNION ALL SELECT day, main WHERE NOT is_uneven AND main > day"
    "      UNION ALL SELECT next, day_end WHERE NOT is_uneven AND next < day_end"
    "    ) AS part CROSS JOIN LATERAL (SELECT"
    "      date_bin('1 hour', part.f - interval '1 microsecond', 'epoch'::timestamptz)"
    "        + interval '1 hour' AS first,"
    "      date_bin('1 hour', part.t, 'epoch'::timestamptz) AS last"
    "    ) AS hours CROSS JOIN LATERAL (SELECT"
    "      ($1->>'hasHours')::boolean AND first < last AS has_hours"
    "    ) AS whole CROSS JOIN LATERAL ("
    "      SELECT part.f, part.t, false AS is_hours WHERE NOT has_hours"
    "      UNION ALL SELECT first, last, true WHERE has_hours"
    "      UNION ALL SELECT part.f, first, false WHERE has_hours AND part.f < first"
    "      UNION ALL SELECT last, part.t, false WHERE has_hours AND last < part.t"
    "    ) AS cut"
    "   WHERE date_trunc($1->>'unit', part.f, $1->>'timeZone') <> main)"
)
# fmt: on


def in_days(column: LiteralString) -> LiteralString:
    return _between(column, "daysFrom", "daysTo")


def in_hours(column: LiteralString) -> tuple[LiteralString, LiteralString]:
    """Before the days, and after them; nothing without has_hours."""
    return _between(column, "hoursFrom", "daysFrom"), _between(column, "daysTo", "hoursTo")


def in_quarters(column: LiteralString) -> tuple[LiteralString, LiteralString]:
    """Before the hours, and after them."""
    return _between(column, "wholeFrom", "hoursFrom"), _between(column, "hoursTo", "wholeTo")


def at_the_edges(column: LiteralString) -> tuple[LiteralString, LiteralString]:
    """Before the quarters, and after them."""
    return _between(column, "from", "wholeFrom"), _between(column, "wholeTo", "to")


def _between(column: LiteralString, first: LiteralString, last: LiteralString) -> LiteralString:
    # As subqueries: PostgreSQL would read the text of a time anew for every row.
    return (
        " WHERE " + column + " >= (SELECT ($1->>'" + first + "')::timestamptz)"
        " AND " + column + " < (SELECT ($1->>'" + last + "')::timestamptz)"
    )


async def zone_of(context: ReadContext, asked: str | None) -> str:
    return asked or await context.loaded(OWN_ZONE, {}) or UTC_NAME


def period_params(
    from_: str, to: str, *, interval: Interval | None, zone: str, has_hours: bool = False
) -> dict[str, str | bool | None]:
    """For the statements above. has_hours: there are sums of hours that answer this."""
    is_cut = interval is not None and zone not in (UTC_NAME, "Etc/UTC")
    whole = _whole(from_, to, interval, zone=zone if is_cut else UTC_NAME, has_hours=has_hours)
    return {
        **whole,
        "shiftedTo": whole["daysTo" if is_cut else "daysFrom"],
        "hasHours": has_hours,
        "from": from_,
        "to": to,
        "unit": None if interval is None else interval.value,
        "timeZone": zone,
    }


def check_period(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused for what is no time zone, for times at the end of all times, and for
    too many intervals.
    """
    name = arguments.get("timeZone")
    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise refuse("bad_time_zone", "`timeZone` is a name such as Europe/Oslo.") from None
    try:
        _whole(arguments["from"], arguments["to"])
    except OverflowError:
        raise refuse("bad_period", "`from` and `to` are within the years 1 to 9999.") from None
    interval = arguments.get("interval")
    if interval is None:
        return
    span = datetime.fromisoformat(arguments["to"]) - datetime.fromisoformat(arguments["from"])
    if span > limits.stats_buckets_max * SHORTEST[interval]:
        raise refuse(TOO_MANY, f"At most {limits.stats_buckets_max} intervals.")


def too_many_buckets(maximum: int) -> GraphQLError:
    """As resolvers raise it, which find it out late."""
    return coded(TOO_MANY, f"At most {maximum} intervals and groups of them.")


def _whole(
    from_: str,
    to: str,
    interval: Interval | None = None,
    *,
    zone: str = UTC_NAME,
    has_hours: bool = False,
) -> dict[str, str | bool | None]:
    """Where the days, hours and quarters begin and end of which all is asked for. Where there are
    none, everything lies before the first.
    """
    begin, end = datetime.fromisoformat(from_), datetime.fromisoformat(to)
    quarters = _within(begin, end, QUARTER)
    hours = _within(*quarters, HOUR)
    last = hours[1], hours[1]
    days = last if interval is Interval.HOUR else _within(*hours, DAY)
    if not has_hours or _cuts_hours(zone, (hours[0], days[0]), (days[1], hours[1])):
        last = quarters[1], quarters[1]
        hours = days = last if interval is Interval.HOUR else _within(*quarters, DAY)
    bounds = zip(("whole", "hours", "days"), (quarters, hours, days), strict=True)
    return {
        f"{name}{side}": moment.isoformat()
        for name, both in bounds
        for side, moment in zip(("From", "To"), both, strict=True)
    }


def _cuts_hours(zone: str, *edges: tuple[datetime, datetime]) -> bool:
    """Whether an hour of UTC in one of these times has two hours of the zone in it."""
    if zone == UTC_NAME:
        return False
    info = ZoneInfo(zone)
    try:
        offsets = {
            (first + number * HOUR).astimezone(info).utcoffset() or timedelta()
            for first, last in edges
            for number in range((last - first) // HOUR + 1)
        }
    except OverflowError:  # At the end of all times.
        return True
    return any(offset % HOUR for offset in offsets)


def _within(begin: datetime, end: datetime, step: timedelta) -> tuple[datetime, datetime]:
    first = begin + (EPOCH - begin) % step
    last = end - (end - EPOCH) % step
    return (first, last) if first < last else (end, end)
