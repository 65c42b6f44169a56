"""What was used and what it cost: sums by any dimensions and intervals (read_api/periods.py says
where they come from). What they are made of is in read_api/usage_facts.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import orjson
import strawberry

from projections.usage import INPUT_METERS, METERS, OUTPUT_METERS
from read_api.arguments import MinPosition
from read_api.columns import money
from read_api.connections import fragment
from read_api.context import ReadInfo
from read_api.errors import refuse
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
    in_hours,
    in_quarters,
    period_params,
    too_many_buckets,
    zone_of,
)
from read_api.scalars import BigInt, Instant
from read_api.shaping import Unshapable, merged
from read_api.usage_groups import (
    FILTERS_MAX,
    GROUPED_COLUMNS,
    NAMES,
    ONLY,
    ONLY_OF_FACT,
    WITH_KEYS,
    Filter,
    UsageDimension,
    UsageFilter,
    UsageGroup,
    group_params,
    groups_of,
    in_order,
    too_many_filters,
)

OTHER_UNIT = "units"
PROVISIONAL = (
    "Of costUsd: what has a price over a period, at the rate of its dearest tier. upcomingInvoice"
    " tells what it comes to."
)

# fmt: off
# Days need no time zone for each row, and are put where they belong once they are summed; the start
# of a day or month that is one stays as it is.
START_OF_DAY: LiteralString = (
    "CASE WHEN $1->>'unit' IS NULL THEN (SELECT ($1->>'from')::timestamptz) ELSE at END"
)
START_OF_SUM: LiteralString = (
    "CASE WHEN $1->>'unit' = 'month' OR $1->>'shiftedTo' <> $1->>'daysFrom'"
    " THEN date_trunc($1->>'unit', at + interval '12 hours', $1->>'timeZone') ELSE at END"
)


COSTS: LiteralString = (
    " sum(cost_usd_pico) AS cost_usd_pico, sum(provisional_usd_pico) AS provisional_usd_pico,"
    " sum(unpriced) AS unpriced, sum(unresolved) AS unresolved"
)
TOKENS: LiteralString = (
    "CASE WHEN $1->'inputs' ? meter THEN sum(quantity) END AS tokens_in,"
    " CASE WHEN $1->'outputs' ? meter THEN sum(quantity) END AS tokens_out,"
    " CASE WHEN meter = 'requests' THEN sum(quantity) END AS calls"
)


def _summed(rows: LiteralString, start: LiteralString = START_OF) -> LiteralString:
    """Each table by itself, in the order of its key: little is left to be joined."""
    return (
        "SELECT " + start + " AS at," + GROUPED_COLUMNS + ", meter, sum(quantity) AS quantity,"
        + TOKENS + "," + COSTS + " FROM (" + rows + ") AS u WHERE " + ONLY +
        " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
    )


def _summed_hours(rows: LiteralString, start: LiteralString = START_OF) -> LiteralString:
    """The same of hours, in which meters are added up already."""
    return (
        "SELECT " + start + " AS at," + GROUPED_COLUMNS + ", NULL AS meter, 0 AS quantity,"
        " sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, sum(calls) AS calls,"
        + COSTS + " FROM (" + rows + ") AS u WHERE " + ONLY_OF_FACT +
        " GROUP BY 1, 2, 3, 4, 5, 6, 7"
    )


def _moved(summed: LiteralString, which: LiteralString) -> LiteralString:
    """What of days belongs elsewhere: taken from where the day is counted, and put there. summed:
    of one part, for all of them at once would need a large table of sums.
    """
    return (
        "SELECT CASE sign WHEN 1 THEN shifted.at ELSE main END, model, provider, agent_id,"
        " workflow_id, node_type, created_by, meter, sign * quantity,"
        " sign * tokens_in, sign * tokens_out, sign * calls, sign * cost_usd_pico,"
        " sign * provisional_usd_pico, sign * unpriced, sign * unresolved"
        " FROM shifted CROSS JOIN LATERAL (" + summed + ") AS m"
        " CROSS JOIN (VALUES (1), (-1)) AS s(sign) WHERE " + which
    )


def _of_lines(where: LiteralString) -> LiteralString:
    return (
        "SELECT u.happened_at AS at, l.line->>0 AS meter, u.model, u.provider, u.agent_id,"
        "   u.workflow_id, u.node_type, u.created_by, (l.line->>1)::numeric AS quantity,"
        "   coalesce((l.line->>2)::numeric, 0) AS cost_usd_pico,"
        "   CASE WHEN l.line->3 IS NULL THEN 0 ELSE (l.line->>2)::numeric END"
        "     AS provisional_usd_pico,"
        "   (l.line->>2 IS NULL AND u.source <> 'unknown')::int AS unpriced,"
        "   (u.source = 'unknown')::int AS unresolved"
        "  FROM usage_facts_v2 AS u CROSS JOIN LATERAL json_array_elements(u.lines) AS l(line)"
        + where
    )


DAYS: LiteralString = "SELECT start AS at, * FROM usage_facts_v2_days"
HOURS: LiteralString = "SELECT start AS at, * FROM usage_facts_v2_hours"
QUARTERS: LiteralString = "SELECT start AS at, * FROM usage_facts_v2_quarters"
IN_PART: LiteralString = " WHERE start >= f AND start < t"
USED: LiteralString = " UNION ALL ".join([
    _summed(DAYS + in_days("start"), START_OF_DAY),
    *[_summed_hours(HOURS + where) for where in in_hours("start")],
    *[_summed(QUARTERS + where) for where in in_quarters("start")],
    *[_summed(_of_lines(where)) for where in at_the_edges("u.happened_at")],
    _moved(_summed_hours(HOURS + IN_PART, "f"), "is_hours"),
    _moved(_summed(QUARTERS + IN_PART, "f"), "NOT is_hours"),
])
# The amounts of each group in each interval.
SUMS: LiteralString = (
    SHIFTED + ","
    " named AS ("
    "  SELECT " + START_OF_SUM + " AS start, " + NAMES + " AS names,"
    "         quantity, tokens_in, tokens_out, calls,"
    "         cost_usd_pico, provisional_usd_pico, unpriced, unresolved"
    "    FROM (" + USED + ") AS grouped" + WITH_KEYS + "),"
    " sums AS MATERIALIZED ("
    "  SELECT start, names, sum(quantity) AS quantity, sum(cost_usd_pico) AS cost,"
    "         sum(provisional_usd_pico) AS provisional,"
    "         sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, sum(calls) AS calls,"
    "         sum(unpriced) > 0 AS has_unpriced, sum(unresolved) AS unresolved"
    "    FROM named GROUP BY start, names)"
)
# s: of sums, or nothing.
AMOUNTS: LiteralString = (
    "coalesce(s.quantity, 0) AS quantity,"
    " " + money("coalesce(s.cost, 0)") + " AS cost_usd,"
    " " + money("coalesce(s.provisional, 0)") + " AS provisional_usd,"
    " coalesce(s.tokens_in, 0) AS tokens_in, coalesce(s.tokens_out, 0) AS tokens_out,"
    " coalesce(s.calls, 0) AS calls, coalesce(s.has_unpriced, false) AS has_unpriced,"
    " coalesce(s.unresolved, 0) AS unresolved"
)
USAGE: LiteralString = (
    "WITH " + SUMS + ", " + STARTS + ","
    " groups AS (SELECT DISTINCT names FROM sums"
    "  UNION SELECT '{}'::text[] WHERE $1->'groupBy' = '[]'::jsonb)"
    " SELECT json_agg(b) FROM (SELECT starts.start, groups.names, " + AMOUNTS +
    "  FROM starts CROSS JOIN groups LEFT JOIN sums AS s"
    "    ON s.start = starts.start AND s.names = groups.names"
    "  ORDER BY starts.start, groups.names LIMIT ($1->>'limit')::int + 1) AS b"
)
# fmt: on


@strawberry.type(description="What was used in one interval, of one group.")
class UsageBucket:
    start: Instant
    group: list[UsageGroup]
    quantity: BigInt | None = strawberry.field(description="Only by METER: others add up nothing.")
    unit: str | None
    cost_usd: str = strawberry.field(description="Of what has a price: see hasUnpriced.")
    provisional_usd: str = strawberry.field(description=PROVISIONAL)
    tokens_in: BigInt
    tokens_out: BigInt
    calls: BigInt
    has_unpriced: bool = strawberry.field(description="Something of it has no known price.")
    unresolved: BigInt = strawberry.field(
        description="Calls that may have been billed, and nobody knows yet what for."
    )


async def usage(
    info: ReadInfo,
    from_: From,
    to: To,
    group_by: list[UsageDimension] | None = None,
    *,
    interval: Interval | None = None,
    time_zone: TimeZone = None,
    filter: Filter = None,  # noqa: A002 # its name in the schema
    _min_position: MinPosition = None,
) -> list[UsageBucket]:
    dimensions = in_order(group_by)
    maximum = info.context.sources.limits.usage_buckets_max
    zone = await zone_of(info.context, time_zone)
    params = {
        **period_params(
            from_, to, interval=interval, zone=zone, has_hours=is_in_hours(dimensions, filter)
        ),
        **sum_params(dimensions, filter),
        "limit": maximum,
    }
    rows: list[dict[str, Any]] = await info.context.loaded(USAGE, params) or []
    if len(rows) > maximum:
        raise too_many_buckets(maximum)
    return _shaped(info, rows, dimensions)


def sum_params(
    dimensions: Sequence[UsageDimension], only: Sequence[UsageFilter] | None
) -> dict[str, object]:
    """Of SUMS, beside the times."""
    return {
        **group_params(dimensions, only),
        "inputs": sorted(INPUT_METERS),
        "outputs": sorted(OUTPUT_METERS),
    }


def is_in_hours(dimensions: Sequence[UsageDimension], only: Sequence[UsageFilter] | None) -> bool:
    """Whether sums of hours answer it, in which meters are added up."""
    asked = {*dimensions, *(one.dimension for one in only or ())}
    return UsageDimension.METER not in asked


def check_usage(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused for what is no time zone, and for too many intervals or filters."""
    check_period(arguments, limits)
    if too_many_filters(arguments):
        raise refuse("too_many_filters", f"At most {FILTERS_MAX} values to filter by.")


def unit_of(meter: str) -> str:
    return METERS.get(meter, OTHER_UNIT)


def _bucket(row: dict[str, Any], dimensions: list[UsageDimension]) -> UsageBucket:
    names: list[str] = row["names"]
    is_by_meter = UsageDimension.METER in dimensions
    amounts = {key: value for key, value in row.items() if key not in ("names", "quantity")}
    return UsageBucket(
        group=groups_of(names, dimensions),
        quantity=row["quantity"] if is_by_meter else None,
        unit=unit_of(names[-1]) if is_by_meter else None,
        **amounts,
    )


# A year by days of a few groups is thousands of buckets: to complete them field by field takes
# longer than to sum them.
BUCKET_FIELDS: Mapping[str, str] = {
    "start": "start",
    "quantity": "quantity",
    "unit": "unit",
    "costUsd": "cost_usd",
    "provisionalUsd": "provisional_usd",
    "tokensIn": "tokens_in",
    "tokensOut": "tokens_out",
    "calls": "calls",
    "hasUnpriced": "has_unpriced",
    "unresolved": "unresolved",
}
# In every interval.
SAME_FOR_GROUP = frozenset({"group", "unit", "__typename"})
SAME_WITHOUT_METER = SAME_FOR_GROUP | {"quantity"}


def _shaped(info: ReadInfo, rows: list[dict[str, Any]], dimensions: list[UsageDimension]) -> Any:
    """The JSON that is asked for, or the buckets where a selection is more than its fields."""
    document = info.context.document
    try:
        wanted = merged(document.roots[str(info.path.key)].nodes, document.fragments)
        fields = {key: members[0].name.value for key, members in wanted.items()}
        groups = {
            key: {
                inner_key: inner[0].name.value
                for inner_key, inner in merged(members, document.fragments).items()
            }
            for key, members in wanted.items()
            if fields[key] == "group"
        }
    except Unshapable:
        return [_bucket(row, dimensions) for row in rows]
    of_group = SAME_FOR_GROUP if UsageDimension.METER in dimensions else SAME_WITHOUT_METER
    columns = {
        key: None if name in of_group else BUCKET_FIELDS[name] for key, name in fields.items()
    }
    same: dict[tuple[str, ...], dict[str, object]] = {}
    shown: list[dict[str, object]] = []
    for row in rows:
        names = tuple(row["names"])
        if names not in same:
            bucket = _bucket(row, dimensions)
            same[names] = {
                key: _field(bucket, fields[key], groups.get(key, {}))
                for key, column in columns.items()
                if column is None
            }
        told = same[names]
        shown.append(
            {key: told[key] if column is None else row[column] for key, column in columns.items()}
        )
    return fragment(orjson.dumps(shown))


def _field(bucket: UsageBucket, name: str, group: Mapping[str, str]) -> object:
    if name == "group":
        return [
            {key: _of_group(one, inner) for key, inner in group.items()} for one in bucket.group
        ]
    return "UsageBucket" if name == "__typename" else getattr(bucket, BUCKET_FIELDS[name])


def _of_group(group: UsageGroup, name: str) -> str | None:
    if name == "value":
        return group.value
    return "UsageGroup" if name == "__typename" else group.dimension.name
