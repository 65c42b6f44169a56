"""Budgets, with what is spent and reserved of them at this moment: read from the counters that
decide, not from a read model that follows.
"""

from typing import LiteralString

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import column, money
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

# fmt: off
ROWS: LiteralString = (
    "(SELECT r.*, s.period_start, s.spent, s.reserved, s.overshot FROM budgets_v2 AS r"
    " CROSS JOIN LATERAL budget_standing(r.tenant_id, r.budget_id, r.period, r.window_s,"
    "   r.time_zone) AS s) AS b"
)
# fmt: on
BUDGETS = Listing("Budget", "b", ROWS, "budget_id", condition="NOT b.is_deleted")


@strawberry.type(description="How much may be spent. What is spent and reserved is exact.")
class Budget:
    id: strawberry.ID = column("b.budget_id")
    scope_type: str = column("b.scope_type")
    scope_id: strawberry.ID | None = column("b.scope_id", "Null is the tenant, or every run.")
    period: str = column("b.period", "run | day | month | total | rolling")
    window_s: int | None = column("b.window_s", "Of a rolling period, in seconds.")
    time_zone: str = column("b.time_zone", "Where days and months begin.")
    limit_usd: str = column(money("b.limit_usd_pico"))
    spent_usd: str = column(
        money("b.spent"),
        "In the present period; of a budget for each run, by the run that spent most.",
    )
    reserved_usd: str = column(
        money("b.reserved"), "What calls hold that are under way, or of which nobody knows."
    )
    remaining_usd: str = column(
        money("greatest(b.limit_usd_pico - b.spent - b.reserved, 0)"),
        "What may still be reserved.",
    )
    overshot_usd: str = column(
        money("b.overshot"), "What providers billed beyond what was reserved."
    )
    mode: str = column("b.mode", "hard | soft")
    notify_at: list[float] = column("to_json(b.notify_at::numeric[])")
    unpriced: str = column("b.unpriced", "refuse | allow: models whose price nobody knows.")
    keeper: str = column("b.keeper", "tenant | reseller | operator: who alone may change it.")
    status: str = column(
        "CASE WHEN b.spent >= b.limit_usd_pico THEN 'EXHAUSTED'"
        " WHEN b.spent >= b.limit_usd_pico * (SELECT min(t.part::numeric)"
        "   FROM unnest(b.notify_at) AS t(part)) THEN 'WARNING' ELSE 'OK' END",
        "OK | WARNING: past the first threshold | EXHAUSTED",
    )
    period_start: Instant | None = column(
        "CASE WHEN b.period = 'rolling' THEN now() - make_interval(secs => b.window_s)"
        " WHEN b.period IN ('day', 'month') THEN b.period_start END"
    )
    period_end: Instant | None = column(
        "CASE b.period WHEN 'day' THEN date_add(b.period_start, '1 day', b.time_zone)"
        " WHEN 'month' THEN date_add(b.period_start, '1 month', b.time_zone) END"
    )
    exhausted_at: Instant | None = column("b.exhausted_at", "When a call was refused last.")
    created_at: Instant = column("b.created_at")
    updated_at: Instant = column("b.updated_at")
    version: int = column("b.version")


async def budget(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Budget | None:
    return await read_one(info, BUDGETS, id_, Budget)


async def budgets(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Budget]:
    return await read_page(info, BUDGETS, Budget, first=first, after=after)
