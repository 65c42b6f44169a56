"""Two times beside each other: what each group cost in both, and which of them moved most."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, LiteralString

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import usd_text
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.periods import UTC_NAME, From, To, check_period, period_params
from read_api.scalars import BigInt, Instant
from read_api.usage import AMOUNTS, PROVISIONAL, SUMS, check_usage, is_in_hours, sum_params, unit_of
from read_api.usage_groups import Filter, UsageDimension, UsageGroup, groups_of, in_order


def _sums_of(period: LiteralString) -> LiteralString:
    """Both times lie in $1."""
    sums = SUMS.replace("$1", "($1->'" + period + "')")
    return period + " AS MATERIALIZED (WITH " + sums + " SELECT * FROM sums)"


def _amounts_of(period: LiteralString) -> LiteralString:
    return "(SELECT row_to_json(a) FROM (SELECT " + AMOUNTS.replace("s.", period + ".") + ") AS a)"


def _total_of(period: LiteralString) -> LiteralString:
    return (
        "(SELECT row_to_json(a) FROM (SELECT " + AMOUNTS + " FROM ("
        "   SELECT sum(quantity) AS quantity, sum(cost) AS cost, sum(provisional) AS provisional,"
        "          sum(tokens_in) AS tokens_in,"
        "          sum(tokens_out) AS tokens_out, sum(calls) AS calls,"
        "          bool_or(has_unpriced) AS has_unpriced, sum(unresolved) AS unresolved"
        "     FROM " + period + ") AS s) AS a)"
    )


# fmt: off
EXPLORED: LiteralString = (
    "WITH " + _sums_of("present") + ", " + _sums_of("before") + ","
    " compared AS MATERIALIZED ("
    "  SELECT names, abs(coalesce(present.cost, 0) - coalesce(before.cost, 0)) AS moved,"
    "         before.start IS NULL AS is_new, present.start IS NULL AS is_gone,"
    "         " + _amounts_of("present") + " AS present, " + _amounts_of("before") + " AS before"
    "    FROM present FULL JOIN before USING (names))"
    " SELECT json_build_object("
    "  'present', " + _total_of("present") + ", 'before', " + _total_of("before") + ","
    "  'count', (SELECT count(*) FROM compared),"
    "  'groups', (SELECT coalesce(json_agg(json_build_object('names', names,"
    "     'is_new', is_new, 'is_gone', is_gone, 'present', present, 'before', before)"
    "     ORDER BY moved DESC, names), '[]'::json)"
    "    FROM (SELECT * FROM compared ORDER BY moved DESC, names"
    "           LIMIT ($1->>'first')::int) AS c))"
)
# fmt: on


@strawberry.enum
class CostChangeKind(Enum):
    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    SAME = "same"


@strawberry.type
class CostAmounts:
    cost_usd: str = strawberry.field(description="Of what has a price: see hasUnpriced.")
    provisional_usd: str = strawberry.field(description=PROVISIONAL)
    quantity: BigInt | None = strawberry.field(description="Only by METER: others add up nothing.")
    unit: str | None
    tokens_in: BigInt
    tokens_out: BigInt
    calls: BigInt
    has_unpriced: bool
    unresolved: BigInt


@strawberry.type(description="What became of one group.")
class CostChange:
    group: list[UsageGroup]
    kind: CostChangeKind
    current: CostAmounts
    previous: CostAmounts
    delta_usd: str
    delta_percent: float | None = strawberry.field(description="null of what cost nothing before.")


@strawberry.type(description="What was used and what it cost in two times.")
class CostComparison:
    previous_from: Instant
    previous_to: Instant
    current: CostAmounts
    previous: CostAmounts
    delta_usd: str
    delta_percent: float | None = strawberry.field(description="null of what cost nothing before.")
    groups: list[CostChange] = strawberry.field(description="What moved most comes first.")
    groups_count: BigInt = strawberry.field(description="All there are, also beyond `first`.")
    rest_delta_usd: str = strawberry.field(description="Of the groups beyond `first`, together.")


async def cost_explorer(
    info: ReadInfo,
    from_: From,
    to: To,
    group_by: list[UsageDimension] | None = None,
    *,
    compare_from: Annotated[
        Instant | None,
        strawberry.argument(description="Without it: as long a time, just before `from`."),
    ] = None,
    compare_to: Instant | None = None,
    filter: Filter = None,  # noqa: A002 # its name in the schema
    first: int | None = PAGE_SIZE_DEFAULT,
    _min_position: MinPosition = None,
) -> CostComparison:
    dimensions = in_order(group_by)
    earlier = _compared(from_, to, compare_from, compare_to)
    sums, hours = sum_params(dimensions, filter), is_in_hours(dimensions, filter)
    params = {
        "present": {**_whole_period(from_, to, has_hours=hours), **sums},
        "before": {**_whole_period(*earlier, has_hours=hours), **sums},
        "first": first or PAGE_SIZE_DEFAULT,
    }
    found: dict[str, Any] = await info.context.loaded(EXPLORED, params)
    groups = [_change(row, dimensions) for row in found["groups"]]
    delta = _delta(found)
    return CostComparison(
        previous_from=Instant(earlier[0]),
        previous_to=Instant(earlier[1]),
        current=_amounts(found["present"], None),
        previous=_amounts(found["before"], None),
        delta_usd=usd_text(delta),
        delta_percent=_percent(delta, found),
        groups=groups,
        groups_count=found["count"],
        rest_delta_usd=usd_text(delta - sum(_delta(row) for row in found["groups"])),
    )


def check_exploring(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    check_usage(arguments, limits)
    given = [arguments.get(name) is not None for name in ("compareFrom", "compareTo")]
    if any(given) and not all(given):
        raise refuse("bad_period", "`compareFrom` and `compareTo` are given together, or not.")
    try:
        earlier = _compared(
            *(arguments[name] for name in ("from", "to")),
            *(arguments.get(name) for name in ("compareFrom", "compareTo")),
        )
        check_period({"from": earlier[0], "to": earlier[1]}, limits)
    except OverflowError:
        raise refuse("bad_period", "There is no time as long before `from`.") from None


def _whole_period(from_: str, to: str, *, has_hours: bool) -> Mapping[str, object]:
    return period_params(from_, to, interval=None, zone=UTC_NAME, has_hours=has_hours)


def _compared(
    from_: str, to: str, compare_from: str | None, compare_to: str | None
) -> tuple[str, str]:
    """Raises OverflowError for what would begin before there was time."""
    if compare_from is not None and compare_to is not None:
        return compare_from, compare_to
    begin = datetime.fromisoformat(from_)
    return (begin - (datetime.fromisoformat(to) - begin)).isoformat(), from_


def _change(row: Mapping[str, Any], dimensions: list[UsageDimension]) -> CostChange:
    delta = _delta(row)
    group = groups_of(row["names"], dimensions)
    meter = group[-1].value if UsageDimension.METER in dimensions else None
    return CostChange(
        group=group,
        kind=_kind(row, delta),
        current=_amounts(row["present"], meter),
        previous=_amounts(row["before"], meter),
        delta_usd=usd_text(delta),
        delta_percent=_percent(delta, row),
    )


def _kind(row: Mapping[str, Any], delta: Decimal) -> CostChangeKind:
    if row["is_new"]:
        return CostChangeKind.NEW
    if row["is_gone"]:
        return CostChangeKind.GONE
    return CostChangeKind.CHANGED if delta else CostChangeKind.SAME


def _amounts(row: dict[str, Any], meter: str | None) -> CostAmounts:
    """meter: of a group of one meter."""
    quantity = None if meter is None else row["quantity"]
    unit = None if meter is None else unit_of(meter)
    amounts: dict[str, Any] = {**row, "quantity": quantity, "unit": unit}
    return CostAmounts(**amounts)


def _delta(row: Mapping[str, Any]) -> Decimal:
    return Decimal(row["present"]["cost_usd"]) - Decimal(row["before"]["cost_usd"])


def _percent(delta: Decimal, row: Mapping[str, Any]) -> float | None:
    before = Decimal(row["before"]["cost_usd"])
    return float(delta / before * 100) if before else None
