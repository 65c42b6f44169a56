"""How executions went, hour by hour or day by day; hours and days in which none began are there
too, with zeros.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, LiteralString

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import money
from read_api.connections import uuid_or_nobody
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.execution_filter import ExecutionStatus
from read_api.limits import ReadLimits
from read_api.scalars import BigInt, Instant


@strawberry.enum(description="Hours and days are UTC.")
class Interval(Enum):
    HOUR = "hour"
    DAY = "day"


LENGTHS: Mapping[Interval, timedelta] = {
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
}

# A percentile of nothing is null; the cost of nothing is 0.
# fmt: off
STATS: LiteralString = (
    "WITH facts AS MATERIALIZED ("
    "  SELECT date_trunc($1->>'unit', e.created_at) AS start, e.status, e.duration_ms,"
    "         e.cost_usd_pico, e.has_unpriced, e.tokens_in, e.tokens_out"
    "    FROM executions_v4 AS e"
    "   WHERE e.created_at >= ($1->>'from')::timestamptz"
    "     AND e.created_at < ($1->>'to')::timestamptz"
    "     AND (($1->>'workflowId') IS NULL OR e.workflow_id = ($1->>'workflowId')::uuid)),"
    " sums AS ("
    "  SELECT start, count(*) AS total,"
    "         count(*) FILTER (WHERE status = 'COMPLETED') AS completed,"
    "         count(*) FILTER (WHERE status IN ('COMPLETED', 'FAILED', 'COMPENSATED',"
    "                                           'NEEDS_ATTENTION')) AS decided,"
    "         percentile_disc(ARRAY[0.5, 0.95, 0.99])"
    "           WITHIN GROUP (ORDER BY duration_ms) AS durations,"
    "         sum(cost_usd_pico) AS cost_usd_pico, bool_or(has_unpriced) AS has_unpriced,"
    "         sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out"
    "    FROM facts GROUP BY start),"
    " statuses AS ("
    "  SELECT start, json_agg(json_build_object('status', status, 'count', count)"
    "                         ORDER BY status) AS counts"
    "    FROM (SELECT start, status, count(*) FROM facts GROUP BY start, status) AS c"
    "   GROUP BY start)"
    " SELECT json_agg(json_build_object("
    "   'start', b.start, 'total', coalesce(s.total, 0),"
    "   'by_status', coalesce(c.counts, '[]'::json),"
    "   'success_rate', s.completed::float8 / nullif(s.decided, 0),"
    "   'p50_duration_ms', s.durations[1], 'p95_duration_ms', s.durations[2],"
    "   'p99_duration_ms', s.durations[3],"
    "   'cost_usd', " + money("coalesce(s.cost_usd_pico, 0)") + ","
    "   'has_unpriced', coalesce(s.has_unpriced, false), 'tokens_in', coalesce(s.tokens_in, 0),"
    "   'tokens_out', coalesce(s.tokens_out, 0)) ORDER BY b.start)"
    " FROM generate_series(date_trunc($1->>'unit', ($1->>'from')::timestamptz),"
    "                      ($1->>'to')::timestamptz - interval '1 microsecond',"
    "                      ('1 ' || ($1->>'unit'))::interval) AS b(start)"
    " LEFT JOIN sums AS s USING (start) LEFT JOIN statuses AS c USING (start)"
)
# fmt: on


@strawberry.type
class StatusCount:
    status: ExecutionStatus
    count: BigInt


@strawberry.type(description="The executions created in one hour or day.")
class ExecutionStats:
    start: Instant
    total: BigInt
    by_status: list[StatusCount]
    success_rate: float | None = strawberry.field(
        description="COMPLETED of those that completed, failed, were compensated or need attention."
    )
    p50_duration_ms: BigInt | None
    p95_duration_ms: BigInt | None
    p99_duration_ms: BigInt | None
    cost_usd: str
    has_unpriced: bool
    tokens_in: BigInt
    tokens_out: BigInt


async def execution_stats(
    info: ReadInfo,
    from_: Annotated[Instant, strawberry.argument(name="from", description="Inclusive.")],
    to: Annotated[Instant, strawberry.argument(description="Exclusive.")],
    *,
    interval: Interval | None = Interval.DAY,
    workflow_id: strawberry.ID | None = None,
    _min_position: MinPosition = None,
) -> list[ExecutionStats]:
    params = {
        "from": from_,
        "to": to,
        "unit": (interval or Interval.DAY).value,
        "workflowId": None if workflow_id is None else uuid_or_nobody(workflow_id),
    }
    rows: list[dict[str, Any]] | None = await info.context.loaded(STATS, params)
    return [_stats(**row) for row in rows or ()]


def check_stats(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused when there would be too many hours or days."""
    length = LENGTHS[arguments.get("interval") or Interval.DAY]
    span = datetime.fromisoformat(arguments["to"]) - datetime.fromisoformat(arguments["from"])
    maximum = limits.stats_buckets_max
    if span > maximum * length:
        raise refuse(
            "too_many_buckets", f"At most {maximum} intervals fit between `from` and `to`."
        )


def _stats(by_status: list[dict[str, Any]], **row: Any) -> ExecutionStats:
    return ExecutionStats(by_status=[StatusCount(**count) for count in by_status], **row)
