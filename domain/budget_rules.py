"""Which counters of which budgets a paid call counts in.

A counter is one budget in one period, and where the budget is for each run, of one run. A call
counts where its intent was stored: the counters are in the event, so that what was spent can be
found again from the log alone, whatever became of the budget since.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from domain.identifiers import Json, TenantId

ScopeType: TypeAlias = Literal["tenant", "user", "api_key", "agent", "workflow", "run"]
Period: TypeAlias = Literal["run", "day", "month", "total", "rolling"]
Mode: TypeAlias = Literal["hard", "soft"]
SCOPE_TYPES: tuple[ScopeType, ...] = ("tenant", "user", "api_key", "agent", "workflow", "run")
PERIODS: tuple[Period, ...] = ("run", "day", "month", "total", "rolling")

# A rolling window is counted in so many parts, so it is at most this part of it too long.
ROLLING_PARTS = 96
PERIODS_KEPT_MAX = 1024
# Of what has no run or no beginning of its own.
NO_RUN = UUID(int=0)
NO_PERIOD = datetime(1970, 1, 1, tzinfo=UTC)


class Counter(NamedTuple):
    """run_id: of a budget for each run. period_start: RFC 3339."""

    budget_id: str
    run_id: str | None
    period_start: str | None

    def told(self) -> list[Json]:
        """As events have it."""
        return [self.budget_id, self.run_id, self.period_start]


class BudgetRule(NamedTuple):
    """What deciding needs to know of a budget that holds. limit_usd_pico: as was known last; the
    database enforces the present one.
    """

    budget_id: UUID
    scope_type: ScopeType
    scope_id: UUID | None
    period: Period
    window_s: int | None
    time_zone: str
    limit_usd_pico: int
    is_hard: bool
    allows_unpriced: bool


class Spender(NamedTuple):
    """Who spends. run_ids: of the run and of those above it, the outermost last; none for what a
    tenant counts itself. workflow_ids: of the same runs.
    """

    user_id: UUID | None = None
    api_key_id: UUID | None = None
    agent_id: UUID | None = None
    workflow_ids: tuple[UUID, ...] = ()
    run_ids: tuple[UUID, ...] = ()


def applies(rule: BudgetRule, spender: Spender) -> bool:
    match rule.scope_type:
        case "tenant":
            return rule.period != "run" or bool(spender.run_ids)
        case "user":
            return rule.scope_id is not None and rule.scope_id == spender.user_id
        case "api_key":
            return rule.scope_id is not None and rule.scope_id == spender.api_key_id
        case "agent":
            return rule.scope_id is not None and rule.scope_id == spender.agent_id
        case "workflow":
            return rule.scope_id in spender.workflow_ids
        case "run":
            return bool(spender.run_ids) and (
                rule.scope_id is None or rule.scope_id in spender.run_ids
            )


def counter_of(rule: BudgetRule, spender: Spender, at: datetime) -> Counter:
    """at: aware. Runs that a run began count as that run."""
    run_id = str(spender.run_ids[-1]) if rule.period == "run" and spender.run_ids else None
    start = period_start(rule, at)
    return Counter(str(rule.budget_id), run_id, None if start is None else start.isoformat())


def period_start(rule: BudgetRule, at: datetime) -> datetime | None:
    """The beginning of the period that an instant is in, in UTC; None where there is but one."""
    match rule.period:
        case "run" | "total":
            return None
        case "rolling":
            assert rule.window_s is not None
            part_s = rule.window_s * 1000 // ROLLING_PARTS
            since = (at - NO_PERIOD) // timedelta(milliseconds=part_s)
            return NO_PERIOD + since * timedelta(milliseconds=part_s)
        case "day" | "month":
            return _calendar_start(rule.period, rule.time_zone, int(at.timestamp() // 60))


@lru_cache(maxsize=PERIODS_KEPT_MAX)
def _calendar_start(period: Literal["day", "month"], time_zone: str, minute: int) -> datetime:
    """Days begin with a minute everywhere, so all of it is in one period."""
    local = datetime.fromtimestamp(minute * 60, ZoneInfo(time_zone))
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "month":
        first = first.replace(day=1)
    return first.astimezone(UTC)


def plan_run_budget(tenant_id: TenantId) -> UUID:
    """What stands for the plan's limit of each run among budgets. Never changes: counters are
    found by it.
    """
    return uuid5(tenant_id, "plan/run_cost_usd")


def counters_from(told: Sequence[Json]) -> list[Counter]:
    """Of an event."""
    counters: list[Counter] = []
    for one in told:
        assert isinstance(one, list)
        budget_id, run_id, start = one
        counters.append(
            Counter(
                str(budget_id),
                None if run_id is None else str(run_id),
                None if start is None else str(start),
            )
        )
    return counters
