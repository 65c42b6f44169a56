"""How executions went, by time and groups; times in which none began are there too, with zeros.

By workflow, agent and status, what is counted are executions: those that have ended come from sums
(projections/execution_sums.py), where a duration is kept to within 1/64, the others from their
rows. By model and node type it is their node runs, each from its row, for as many executions as
may be looked at.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, LiteralString

import strawberry

from projections.execution_sums import ABOUT_MS, NOBODY
from read_api.arguments import MinPosition
from read_api.columns import money
from read_api.connections import uuid_or_nobody
from read_api.context import ReadInfo
from read_api.errors import coded
from read_api.limits import ReadLimits
from read_api.periods import (
    SHIFTED,
    START_OF,
    STARTS,
    From,
    Interval,
    TimeZone,
    To,
    at_the_edges,
    check_period,
    in_days,
    in_quarters,
    period_params,
    too_many_buckets,
    zone_of,
)
from read_api.scalars import BigInt, Instant


@strawberry.enum(description="By MODEL or NODE_TYPE, node runs are counted in place of executions.")
class StatsDimension(Enum):
    WORKFLOW = "workflow"
    AGENT = "agent"
    MODEL = "model"
    NODE_TYPE = "node_type"
    STATUS = "status"


OF_NODES = frozenset({StatsDimension.MODEL, StatsDimension.NODE_TYPE})

# fmt: off
ONLY: LiteralString = (
    "($1->>'workflowId' IS NULL OR workflow_id = nullif(($1->>'workflowId')::uuid, " + NOBODY + "))"
    " AND ($1->>'agentId' IS NULL OR agent_id = nullif(($1->>'agentId')::uuid, " + NOBODY + "))"
)
OF_SUMS: LiteralString = (
    "SELECT start{noon} AS at, workflow_id, agent_id, status, about_ms, runs, duration_ms,"
    "       cost_usd_pico, unpriced, tokens_in, tokens_out FROM executions_v5_by_{length}"
)
# A day is counted where its noon is.
OF_DAYS: LiteralString = OF_SUMS.replace("{length}", "day").replace("{noon}", " + interval '12 h'")
OF_QUARTERS: LiteralString = OF_SUMS.replace("{length}", "quarter").replace("{noon}", "")
# What of days belongs elsewhere: taken from where the day is counted, and put there.
MOVED: LiteralString = (
    "SELECT CASE sign WHEN 1 THEN shifted.at ELSE main END, workflow_id, agent_id, status,"
    "       about_ms, sign * runs, sign * duration_ms, sign * cost_usd_pico, sign * unpriced,"
    "       sign * tokens_in, sign * tokens_out"
    "  FROM shifted CROSS JOIN LATERAL (SELECT * FROM executions_v5_by_quarter"
    "    WHERE start >= f AND start < t OFFSET 0) AS q CROSS JOIN (VALUES (1), (-1)) AS s(sign)"
)
OF_ROWS: LiteralString = (
    "SELECT created_at, coalesce(workflow_id, " + NOBODY + "), coalesce(agent_id, " + NOBODY + "),"
    "       status, " + ABOUT_MS.replace("{row}", "e") + ", 1, coalesce(duration_ms, 0),"
    "       cost_usd_pico, unpriced, tokens_in, tokens_out FROM executions_v5 AS e"
)
# Found by their status: of all there ever were, those that go on are few.
GOING_ON: LiteralString = (
    " WHERE created_at >= ($1->>'from')::timestamptz AND created_at < ($1->>'to')::timestamptz"
    " AND status IN ('PENDING', 'RUNNING', 'WAITING', 'PAUSED', 'COMPENSATING')"
)
RUNS: LiteralString = SHIFTED + ", chosen AS (SELECT 0 AS count)," + (
    " used AS (SELECT *, '' AS model, '' AS node_type FROM (" + " UNION ALL ".join([
        OF_DAYS + in_days("start"),
        *[OF_QUARTERS + where for where in in_quarters("start")],
        MOVED,
        *[OF_ROWS + where + " AND completed_at IS NOT NULL"
          for where in at_the_edges("created_at")],
        OF_ROWS + GOING_ON,
    ]) + ") AS r WHERE " + ONLY + ")"
)
NODES: LiteralString = (
    "runs AS MATERIALIZED (SELECT execution_id, created_at, workflow_id, agent_id"
    "  FROM executions_v5"
    "  WHERE created_at >= ($1->>'from')::timestamptz AND created_at < ($1->>'to')::timestamptz"
    "   AND " + ONLY + " LIMIT ($1->>'runsMax')::int + 1),"
    " chosen AS (SELECT count(*) AS count FROM runs),"
    " used AS (SELECT r.created_at AS at, coalesce(r.workflow_id, " + NOBODY + ") AS workflow_id,"
    "   coalesce(r.agent_id, " + NOBODY + ") AS agent_id, n.status,"
    "   coalesce(n.duration_ms, -1) AS about_ms, 1 AS runs,"
    "   coalesce(n.duration_ms, 0) AS duration_ms, n.cost_usd_pico, n.unpriced,"
    "   n.tokens_in, n.tokens_out, coalesce(n.model, '') AS model,"
    "   coalesce(n.type, '') AS node_type"
    "  FROM runs AS r JOIN LATERAL (SELECT * FROM node_runs_v4 AS n"
    "    WHERE n.execution_id = r.execution_id OFFSET 0) AS n ON true)"
)
NAME_OF: LiteralString = (
    "CASE WHEN $1->'groupBy' ? '{0}' THEN CASE WHEN {0}_id = " + NOBODY
    + " THEN '' ELSE {0}_id::text END END"
)
# A percentile is the first duration that so many are not longer than; of nothing it is null. The
# cost of nothing is 0.
GATHERED: LiteralString = (
    " grouped AS MATERIALIZED ("
    "  SELECT " + START_OF + " AS start, status, about_ms,"
    "         array_remove(ARRAY[" + NAME_OF.replace("{0}", "workflow") + ","
    "           " + NAME_OF.replace("{0}", "agent") + ","
    "           CASE WHEN $1->'groupBy' ? 'model' THEN model END,"
    "           CASE WHEN $1->'groupBy' ? 'node_type' THEN node_type END,"
    "           CASE WHEN $1->'groupBy' ? 'status' THEN status END], NULL) AS names,"
    "         sum(runs) AS runs, sum(duration_ms) AS duration_ms,"
    "         sum(cost_usd_pico) AS cost_usd_pico, sum(unpriced) AS unpriced,"
    "         sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out"
    "    FROM used GROUP BY 1, 2, 3, 4 HAVING sum(runs) <> 0),"
    " sums AS ("
    "  SELECT start, names, sum(runs) AS total,"
    "         sum(runs) FILTER (WHERE status = 'COMPLETED') AS completed,"
    "         sum(runs) FILTER (WHERE status IN ('COMPLETED', 'FAILED', 'COMPENSATED',"
    "                                            'NEEDS_ATTENTION')) AS decided,"
    "         sum(duration_ms) AS duration_ms,"
    "         sum(cost_usd_pico) AS cost_usd_pico, sum(unpriced) > 0 AS has_unpriced,"
    "         sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out"
    "    FROM grouped GROUP BY start, names),"
    " statuses AS ("
    "  SELECT start, names, json_agg(json_build_object('status', status, 'count', count)"
    "                                ORDER BY status) AS counts"
    "    FROM (SELECT start, names, status, sum(runs) AS count"
    "            FROM grouped GROUP BY start, names, status) AS c"
    "   GROUP BY start, names),"
    " durations AS ("
    "  SELECT start, names, about_ms,"
    "         sum(sum(runs)) OVER (PARTITION BY start, names ORDER BY about_ms) AS upto,"
    "         sum(sum(runs)) OVER (PARTITION BY start, names) AS total"
    "    FROM grouped WHERE about_ms >= 0 GROUP BY start, names, about_ms),"
    " percentiles AS ("
    "  SELECT start, names, min(about_ms) FILTER (WHERE upto >= 0.5 * total) AS p50,"
    "         min(about_ms) FILTER (WHERE upto >= 0.95 * total) AS p95,"
    "         min(about_ms) FILTER (WHERE upto >= 0.99 * total) AS p99"
    "    FROM durations GROUP BY start, names),"
    " groups AS (SELECT DISTINCT names FROM sums"
    "  UNION SELECT '{}'::text[] WHERE $1->'groupBy' = '[]'::jsonb), "
)
ANSWER: LiteralString = (
    " SELECT json_build_object('runs', (SELECT count FROM chosen), 'stats', (SELECT json_agg(b)"
    " FROM (SELECT starts.start, groups.names, coalesce(s.total, 0) AS total,"
    "   coalesce(c.counts, '[]'::json) AS by_status,"
    "   coalesce(s.completed, 0)::float8 / nullif(s.decided, 0) AS success_rate,"
    "   (s.decided - coalesce(s.completed, 0))::float8 / nullif(s.decided, 0) AS failure_rate,"
    "   p.p50 AS p50_duration_ms, p.p95 AS p95_duration_ms, p.p99 AS p99_duration_ms,"
    "   coalesce(s.duration_ms, 0) / 1000.0 AS run_seconds,"
    "   " + money("coalesce(s.cost_usd_pico, 0)") + " AS cost_usd,"
    "   coalesce(s.has_unpriced, false) AS has_unpriced,"
    "   coalesce(s.tokens_in, 0) AS tokens_in, coalesce(s.tokens_out, 0) AS tokens_out"
    "  FROM starts CROSS JOIN groups"
    "  LEFT JOIN sums AS s ON s.start = starts.start AND s.names = groups.names"
    "  LEFT JOIN statuses AS c ON c.start = starts.start AND c.names = groups.names"
    "  LEFT JOIN percentiles AS p ON p.start = starts.start AND p.names = groups.names"
    "  ORDER BY starts.start, groups.names LIMIT ($1->>'limit')::int + 1) AS b))"
)
OF_RUNS: LiteralString = "WITH " + RUNS + "," + GATHERED + STARTS + ANSWER
OF_NODE_RUNS: LiteralString = "WITH " + NODES + "," + GATHERED + STARTS + ANSWER
# fmt: on


@strawberry.type
class StatsGroup:
    dimension: StatsDimension
    value: str | None


@strawberry.type
class StatusCount:
    status: str
    count: BigInt


@strawberry.type(description="The executions created in one interval, of one group.")
class ExecutionStats:
    start: Instant
    group: list[StatsGroup]
    total: BigInt
    by_status: list[StatusCount]
    success_rate: float | None = strawberry.field(
        description="COMPLETED of those that completed, failed, were compensated or need attention."
    )
    failure_rate: float | None = strawberry.field(description="The others of these.")
    p50_duration_ms: BigInt | None = strawberry.field(
        description="Of those that have ended, within 1/64; below 64 ms and of node runs exact."
    )
    p95_duration_ms: BigInt | None
    p99_duration_ms: BigInt | None
    run_seconds: float = strawberry.field(
        description="From the first step to the end, waits included, of all of them; exact."
    )
    cost_usd: str
    has_unpriced: bool
    tokens_in: BigInt
    tokens_out: BigInt


async def execution_stats(
    info: ReadInfo,
    from_: From,
    to: To,
    *,
    interval: Interval | None = Interval.DAY,
    time_zone: TimeZone = None,
    workflow_id: strawberry.ID | None = None,
    agent_id: strawberry.ID | None = None,
    group_by: list[StatsDimension] | None = None,
    _min_position: MinPosition = None,
) -> list[ExecutionStats]:
    limits = info.context.sources.limits
    dimensions = [one for one in StatsDimension if one in (group_by or ())]
    zone = await zone_of(info.context, time_zone)
    params = {
        **period_params(from_, to, interval=interval, zone=zone),
        "workflowId": None if workflow_id is None else uuid_or_nobody(workflow_id),
        "agentId": None if agent_id is None else uuid_or_nobody(agent_id),
        "groupBy": [one.value for one in dimensions],
        "limit": limits.usage_buckets_max,
        "runsMax": limits.stats_runs_max,
    }
    query = OF_NODE_RUNS if OF_NODES.intersection(dimensions) else OF_RUNS
    found: dict[str, Any] = await info.context.loaded(query, params)
    if found["runs"] > limits.stats_runs_max:
        raise coded(
            "too_many_runs",
            f"By model and node type, a time has at most {limits.stats_runs_max} executions.",
        )
    rows: list[dict[str, Any]] = found["stats"] or []
    if len(rows) > limits.usage_buckets_max:
        raise too_many_buckets(limits.usage_buckets_max)
    return [_stats(dimensions, **row) for row in rows]


def check_stats(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    check_period(arguments, limits)


def _stats(
    dimensions: list[StatsDimension],
    names: list[str],
    by_status: list[dict[str, Any]],
    **row: Any,
) -> ExecutionStats:
    return ExecutionStats(
        group=[
            StatsGroup(dimension=dimension, value=name or None)
            for dimension, name in zip(dimensions, names, strict=True)
        ],
        by_status=[StatusCount(**count) for count in by_status],
        **row,
    )
