"""What was used and what it cost: sums by any dimensions and intervals, and the facts below them.

Sums come from the rollups: by days where the days that are asked for are UTC's, else by quarters of
an hour, which no time zone cuts. What lies before the first whole quarter and after the last one
comes from the facts.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, LiteralString
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import strawberry

from projections.usage import INPUT_METERS, METERS, OUTPUT_METERS
from read_api.arguments import MinPosition
from read_api.columns import money
from read_api.connections import uuid_or_nobody
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.scalars import BigInt, Instant

OTHER_UNIT = "units"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
UTC_NAME = "UTC"


@strawberry.enum
class UsageDimension(Enum):
    MODEL = "model"
    PROVIDER = "provider"
    AGENT = "agent"
    WORKFLOW = "workflow"
    NODE_TYPE = "node_type"
    USER = "user"
    API_KEY = "api_key"
    METER = "meter"


@strawberry.enum(description="Of the time zone that is asked for.")
class UsageInterval(Enum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


SHORTEST: Mapping[UsageInterval, timedelta] = {
    UsageInterval.HOUR: timedelta(hours=1),
    UsageInterval.DAY: timedelta(hours=23),
    UsageInterval.MONTH: timedelta(days=28),
}

# fmt: off
OWN_ZONE: LiteralString = "SELECT to_json(time_zone) FROM tenants_v4 LIMIT 1"
# Whole days and quarters from the rollups; the rest, on either side of them, from the facts.
COLUMNS: LiteralString = (
    "SELECT q.start AS at, q.meter, q.model, q.provider, q.agent_id, q.workflow_id, q.node_type,"
    "       q.created_by, q.quantity, q.cost_usd_pico, q.unpriced, q.unresolved"
)
DAYS: LiteralString = (
    COLUMNS + "  FROM usage_facts_v1_days AS q"
    " WHERE q.start >= ($1->>'daysFrom')::timestamptz AND q.start < ($1->>'daysTo')::timestamptz"
)
QUARTERS: LiteralString = (
    COLUMNS + "  FROM usage_facts_v1_quarters AS q"
    " WHERE q.start >= ($1->>'wholeFrom')::timestamptz AND q.start < ($1->>'daysFrom')::timestamptz"
    "  UNION ALL " + COLUMNS + "  FROM usage_facts_v1_quarters AS q"
    " WHERE q.start >= ($1->>'daysTo')::timestamptz AND q.start < ($1->>'wholeTo')::timestamptz"
)
LINES: LiteralString = (
    "SELECT u.happened_at, l.line->>0, u.model, u.provider, u.agent_id, u.workflow_id,"
    "       u.node_type, u.created_by, (l.line->>1)::numeric, coalesce((l.line->>2)::numeric, 0),"
    "       (l.line->>2 IS NULL AND u.source <> 'unknown')::int, (u.source = 'unknown')::int"
    "  FROM usage_facts_v1 AS u CROSS JOIN LATERAL json_array_elements(u.lines) AS l(line)"
)
BEFORE: LiteralString = (
    " WHERE u.happened_at >= ($1->>'from')::timestamptz"
    " AND u.happened_at < ($1->>'wholeFrom')::timestamptz"
)
AFTER: LiteralString = (
    " WHERE u.happened_at >= ($1->>'wholeTo')::timestamptz"
    " AND u.happened_at < ($1->>'to')::timestamptz"
)
SUMMED: LiteralString = (
    "WITH bounds AS (SELECT ($1->>'from')::timestamptz AS f, ($1->>'to')::timestamptz AS t,"
    "  $1->>'timeZone' AS zone),"
    " used AS (" + DAYS + " UNION ALL " + QUARTERS
    + " UNION ALL " + LINES + BEFORE + " UNION ALL " + LINES + AFTER + "),"
    # By columns first: names are put together for what is left.
    " grouped AS ("
    "  SELECT CASE WHEN $1->>'unit' IS NULL THEN ($1->>'from')::timestamptz"
    "              ELSE date_trunc($1->>'unit', at, $1->>'timeZone') END AS start,"
    "         CASE WHEN $1->'groupBy' ? 'model' THEN model END AS model,"
    "         CASE WHEN $1->'groupBy' ? 'provider' THEN provider END AS provider,"
    "         CASE WHEN $1->'groupBy' ? 'agent' THEN agent_id END AS agent_id,"
    "         CASE WHEN $1->'groupBy' ? 'workflow' THEN workflow_id END AS workflow_id,"
    "         CASE WHEN $1->'groupBy' ? 'node_type' THEN node_type END AS node_type,"
    "         CASE WHEN $1->'groupBy' ?| ARRAY['user', 'api_key'] THEN created_by END"
    "           AS created_by,"
    "         meter, sum(quantity) AS quantity, sum(cost_usd_pico) AS cost_usd_pico,"
    "         sum(unpriced) AS unpriced, sum(unresolved) AS unresolved"
    "    FROM used GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),"
    " named AS ("
    "  SELECT start, array_remove(ARRAY[model, provider, agent_id, workflow_id, node_type,"
    "           CASE WHEN $1->'groupBy' ? 'user' THEN coalesce("
    "             CASE WHEN created_by LIKE 'user:%' THEN substr(created_by, 6) END,"
    "             k.user_id::text, '') END,"
    "           CASE WHEN $1->'groupBy' ? 'api_key' THEN"
    "             CASE WHEN created_by LIKE 'api_key:%' THEN substr(created_by, 9) ELSE '' END END,"
    "           CASE WHEN $1->'groupBy' ? 'meter' THEN meter END], NULL) AS names,"
    "         meter, quantity, cost_usd_pico, unpriced, unresolved"
    "    FROM grouped LEFT JOIN api_keys_v2 AS k"
    "      ON $1->'groupBy' ? 'user' AND 'api_key:' || k.api_key_id::text = grouped.created_by),"
    " sums AS MATERIALIZED ("
    "  SELECT start, names, sum(quantity) AS quantity, sum(cost_usd_pico) AS cost,"
    "         sum(quantity) FILTER (WHERE $1->'inputs' ? meter) AS tokens_in,"
    "         sum(quantity) FILTER (WHERE $1->'outputs' ? meter) AS tokens_out,"
    "         sum(quantity) FILTER (WHERE meter = 'requests') AS calls,"
    "         sum(unpriced) > 0 AS has_unpriced, sum(unresolved) AS unresolved"
    "    FROM named GROUP BY start, names),"
)
# Hours are as long as any other everywhere; days and months are the zone's.
STARTS: LiteralString = (
    " starts AS ("
    "  SELECT f AS start FROM bounds WHERE $1->>'unit' IS NULL"
    "  UNION ALL SELECT generate_series(date_trunc('hour', f, zone),"
    "      t - interval '1 microsecond', interval '1 hour')"
    "    FROM bounds WHERE $1->>'unit' = 'hour'"
    "  UNION ALL SELECT local AT TIME ZONE zone"
    "    FROM bounds, generate_series(date_trunc($1->>'unit', f AT TIME ZONE zone),"
    "      (t - interval '1 microsecond') AT TIME ZONE zone, ('1 ' || ($1->>'unit'))::interval)"
    "      AS local WHERE $1->>'unit' IN ('day', 'month')),"
    " groups AS (SELECT DISTINCT names FROM sums"
    "  UNION SELECT '{}'::text[] WHERE $1->'groupBy' = '[]'::jsonb)"
)
USAGE: LiteralString = (
    SUMMED + STARTS
    + " SELECT json_agg(b) FROM (SELECT starts.start, groups.names,"
    "   coalesce(s.quantity, 0) AS quantity,"
    "   " + money("coalesce(s.cost, 0)") + " AS cost_usd,"
    "   coalesce(s.tokens_in, 0) AS tokens_in, coalesce(s.tokens_out, 0) AS tokens_out,"
    "   coalesce(s.calls, 0) AS calls, coalesce(s.has_unpriced, false) AS has_unpriced,"
    "   coalesce(s.unresolved, 0) AS unresolved"
    "  FROM starts CROSS JOIN groups LEFT JOIN sums AS s"
    "    ON s.start = starts.start AND s.names = groups.names"
    "  ORDER BY starts.start, groups.names LIMIT ($1->>'limit')::int + 1) AS b"
)
FACTS: LiteralString = (
    "SELECT json_agg(json_build_object("
    "  'stream_id', u.stream_id,"
    "  'execution_id', CASE WHEN u.path <> '' THEN u.stream_id END,"
    "  'path', u.path, 'attempt', u.attempt,"
    "  'event_version', u.version, 'happened_at', u.happened_at, 'node_type', u.node_type,"
    "  'model', nullif(u.model, ''), 'provider', nullif(u.provider, ''),"
    "  'agent_id', nullif(u.agent_id, ''), 'workflow_id', nullif(u.workflow_id, ''),"
    "  'created_by', u.created_by, 'source', u.source, 'prices', nullif(u.prices, ''),"
    "  'lines', (SELECT json_agg(json_build_object('meter', l.line->>0, 'quantity', l.line->1,"
    "     'cost_usd', " + money("(l.line->>2)::numeric") + ") ORDER BY l.place)"
    "     FROM json_array_elements(u.lines) WITH ORDINALITY AS l(line, place)))"
    "  ORDER BY u.happened_at DESC, u.stream_id, u.path, u.attempt)"
    " FROM (SELECT * FROM usage_facts_v1 AS u"
    "  WHERE u.happened_at >= ($1->>'from')::timestamptz"
    "    AND u.happened_at < ($1->>'to')::timestamptz"
    "    AND (($1->>'executionId') IS NULL OR u.stream_id = ($1->>'executionId')::uuid)"
    "  ORDER BY u.happened_at DESC, u.stream_id, u.path, u.attempt"
    "  LIMIT ($1->>'first')::int) AS u"
)
# fmt: on

From = Annotated[Instant, strawberry.argument(name="from", description="Inclusive.")]
To = Annotated[Instant, strawberry.argument(description="Exclusive.")]


@strawberry.type
class UsageGroup:
    dimension: UsageDimension
    value: str | None


@strawberry.type(description="What was used in one interval, of one group.")
class UsageBucket:
    start: Instant
    group: list[UsageGroup]
    quantity: BigInt | None = strawberry.field(description="Only by METER: others add up nothing.")
    unit: str | None
    cost_usd: str = strawberry.field(description="Of what has a price: see hasUnpriced.")
    tokens_in: BigInt
    tokens_out: BigInt
    calls: BigInt
    has_unpriced: bool = strawberry.field(description="Something of it has no known price.")
    unresolved: BigInt = strawberry.field(
        description="Calls that may have been billed, and nobody knows yet what for."
    )


@strawberry.type
class UsageLine:
    meter: str
    quantity: BigInt
    unit: str
    cost_usd: str | None = strawberry.field(description="null where no price is known.")


@strawberry.type(description="What one paid attempt used, as the event of its outcome says.")
class UsageFact:
    stream_id: strawberry.ID
    execution_id: strawberry.ID | None = strawberry.field(
        description="null of what the tenant counted itself."
    )
    path: str
    attempt: int
    event_version: BigInt = strawberry.field(description="The event, in the stream.")
    happened_at: Instant
    node_type: str
    model: str | None
    provider: str | None
    agent_id: strawberry.ID | None
    workflow_id: strawberry.ID | None
    created_by: str
    source: str = strawberry.field(
        description="provider, estimated, resolved, sent (by the tenant) or unknown."
    )
    prices: str | None = strawberry.field(description="The price books' versions that priced it.")
    lines: list[UsageLine]


async def usage(
    info: ReadInfo,
    from_: From,
    to: To,
    group_by: list[UsageDimension] | None = None,
    *,
    interval: UsageInterval | None = None,
    time_zone: Annotated[
        str | None, strawberry.argument(description="IANA; the tenant's own without it.")
    ] = None,
    _min_position: MinPosition = None,
) -> list[UsageBucket]:
    # In the order in which the statement names them.
    dimensions = [one for one in UsageDimension if one in (group_by or ())]
    maximum = info.context.sources.limits.usage_buckets_max
    zone = time_zone or await info.context.loaded(OWN_ZONE, {}) or UTC_NAME
    params = {
        **_whole(from_, to, has_days=interval is None or _cuts_days_as_utc(interval, zone)),
        "from": from_,
        "to": to,
        "unit": None if interval is None else interval.value,
        "timeZone": zone,
        "groupBy": [one.value for one in dimensions],
        "inputs": sorted(INPUT_METERS),
        "outputs": sorted(OUTPUT_METERS),
        "limit": maximum,
    }
    rows: list[dict[str, Any]] = await info.context.loaded(USAGE, params) or []
    if len(rows) > maximum:
        raise _too_many(maximum)
    return [_bucket(row, dimensions) for row in rows]


async def usage_facts(
    info: ReadInfo,
    from_: From,
    to: To,
    *,
    execution_id: strawberry.ID | None = None,
    first: int | None = PAGE_SIZE_DEFAULT,
    _min_position: MinPosition = None,
) -> list[UsageFact]:
    params = {
        "from": from_,
        "to": to,
        "executionId": None if execution_id is None else uuid_or_nobody(execution_id),
        "first": first or PAGE_SIZE_DEFAULT,
    }
    rows: list[dict[str, Any]] = await info.context.loaded(FACTS, params) or []
    return [_fact(**row) for row in rows]


def check_usage(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused for what is no time zone, and for too many intervals."""
    name = arguments.get("timeZone")
    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise refuse("bad_time_zone", "`timeZone` is a name such as Europe/Oslo.") from None
    interval = arguments.get("interval")
    if interval is None:
        return
    span = datetime.fromisoformat(arguments["to"]) - datetime.fromisoformat(arguments["from"])
    if span > limits.stats_buckets_max * SHORTEST[interval]:
        raise _too_many(limits.stats_buckets_max)


def _whole(from_: str, to: str, *, has_days: bool) -> dict[str, str]:
    """Where the days and the quarters begin and end of which all is asked for. Where there are
    none, everything lies before the first.
    """
    begin, end = datetime.fromisoformat(from_), datetime.fromisoformat(to)
    whole_from, whole_to = _within(begin, end, QUARTER)
    days_from, days_to = _within(whole_from, whole_to, DAY) if has_days else (whole_to, whole_to)
    return {
        "wholeFrom": whole_from.isoformat(),
        "wholeTo": whole_to.isoformat(),
        "daysFrom": days_from.isoformat(),
        "daysTo": days_to.isoformat(),
    }


def _within(begin: datetime, end: datetime, step: timedelta) -> tuple[datetime, datetime]:
    first = begin + (EPOCH - begin) % step
    last = end - (end - EPOCH) % step
    return (first, last) if first < last else (end, end)


def _cuts_days_as_utc(interval: UsageInterval, zone: str) -> bool:
    return interval is not UsageInterval.HOUR and zone in (UTC_NAME, "Etc/UTC")


def _too_many(maximum: int) -> Exception:
    return refuse("too_many_buckets", f"At most {maximum} intervals and groups of them.")


def _bucket(row: dict[str, Any], dimensions: list[UsageDimension]) -> UsageBucket:
    names: list[str] = row.pop("names")
    quantity = row.pop("quantity")
    is_by_meter = UsageDimension.METER in dimensions
    return UsageBucket(
        group=[
            UsageGroup(dimension=dimension, value=name or None)
            for dimension, name in zip(dimensions, names, strict=True)
        ],
        quantity=quantity if is_by_meter else None,
        unit=_unit(names[-1]) if is_by_meter else None,
        **row,
    )


def _fact(lines: list[dict[str, Any]] | None, **row: Any) -> UsageFact:
    return UsageFact(
        lines=[UsageLine(unit=_unit(line["meter"]), **line) for line in lines or ()], **row
    )


def _unit(meter: str) -> str:
    return METERS.get(meter, OTHER_UNIT)
