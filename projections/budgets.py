"""budgets: what may be spent. What is spent and reserved is counted beside the log itself."""

from typing_extensions import TypedDict

from domain.budgets import Budget
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
    uuid_or_none,
)


class BudgetRow(TypedDict):
    """exhausted_at, overshot_at: when that was told last."""

    tenant_id: Uuid
    budget_id: Uuid
    scope_type: Text
    scope_id: Uuid | None
    period: Text
    window_s: Integer | None
    time_zone: Text
    limit_usd_pico: BigInt
    mode: Text
    notify_at: Texts
    unpriced: Text
    keeper: Text
    is_deleted: Boolean
    exhausted_at: Instant | None
    overshot_at: Instant | None
    created_at: Instant
    updated_at: Instant
    version: BigInt


def evolve(row: BudgetRow | None, event: Decoded, _key: Key) -> BudgetRow:
    logged = event.logged
    match event.fact:
        case Budget.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "budget_id": logged.stream_id,
                "scope_type": fact.scope_type,
                "scope_id": uuid_or_none(fact.scope_id),
                "period": fact.period,
                "window_s": fact.window_s,
                "time_zone": fact.time_zone,
                "limit_usd_pico": fact.limit_usd_pico,
                "mode": fact.mode,
                "notify_at": list(fact.notify_at),
                "unpriced": fact.unpriced,
                "keeper": fact.keeper,
                "is_deleted": False,
                "exhausted_at": None,
                "overshot_at": None,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Budget.Revised() as fact:
            return {
                **present(row),
                "limit_usd_pico": fact.limit_usd_pico,
                "mode": fact.mode,
                "notify_at": list(fact.notify_at),
                "unpriced": fact.unpriced,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Budget.Deleted():
            return {
                **present(row),
                "is_deleted": True,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Budget.Exhausted():
            return {
                **present(row),
                "exhausted_at": logged.recorded_at,
                "version": logged.version,
            }
        case Budget.Overshot():
            return {**present(row), "overshot_at": logged.recorded_at, "version": logged.version}
        case Budget.ThresholdReached() | Budget.HoldReleased():
            return {**present(row), "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


BUDGETS = Projection(
    name="budgets",
    version=2,
    row=BudgetRow,
    key=("tenant_id", "budget_id"),
    stream_column="budget_id",
    aggregate=Budget,
    events=(
        Budget.Created,
        Budget.Revised,
        Budget.Deleted,
        Budget.Exhausted,
        Budget.Overshot,
        Budget.ThresholdReached,
        Budget.HoldReleased,
    ),
    keys=stream_key,
    evolve=evolve,
    own="false",
)
