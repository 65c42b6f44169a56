"""`agentledger repair-budgets`: what is counted beside the log is put right where the log adds up
to something else.

What is wrong is found in one snapshot, and put right by adding what is missing, not by writing what
was read: an append moves the log and the counters by the same, so a difference stays the same
whatever is reserved and settled meanwhile, and nobody waits but for the statements of one tenant.
Only an attempt whose own hold is damaged may end in between; the next look finds that.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from domain.budget_rules import NO_PERIOD, NO_RUN, Counter
from infra.budget_verification import BudgetsRead, CounterOf, Hold, read_budgets
from infra.event_sealing import OpenEvents

LOOKS_MAX = 4

ALONE_KEY = 0x62756467
ALONE: LiteralString = "SELECT pg_advisory_lock(%s)"
ALONE_NO_MORE: LiteralString = "SELECT pg_advisory_unlock(%s)"
# fmt: off
BEGUN: LiteralString = (
    "INSERT INTO budget_counters (tenant_id, budget_id, run_id, period_start)"
    " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
LOCK: LiteralString = (
    "SELECT FROM budget_counters WHERE tenant_id = %s AND budget_id = %s AND run_id = %s"
    " AND period_start = %s FOR UPDATE"
)
ADD: LiteralString = (
    "UPDATE budget_counters SET spent = spent + %s, reserved = greatest(reserved + %s, 0)"
    " WHERE tenant_id = %s AND budget_id = %s AND run_id = %s AND period_start = %s"
)
HOLD: LiteralString = (
    "INSERT INTO budget_reservations (tenant_id, execution_id, path, attempt, budget_id,"
    "  amount, run_id, period_start) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
CORRECT: LiteralString = (
    "UPDATE budget_reservations SET amount = %s WHERE amount = %s AND (tenant_id, execution_id,"
    " path, attempt, budget_id) = (%s, %s, %s, %s, %s)"
)
LET_GO: LiteralString = (
    "DELETE FROM budget_reservations WHERE amount = %s AND (tenant_id, execution_id, path, attempt,"
    " budget_id) = (%s, %s, %s, %s, %s)"
)
# fmt: on


@dataclass(frozen=True, slots=True)
class BudgetRepair:
    """changes: in words, one for each counter or hold. is_right: nothing is wrong any more."""

    changes: list[str]
    is_right: bool


async def repair_budgets(conn: AsyncConnection, open_events: OpenEvents) -> BudgetRepair:
    """conn: autocommit, sees every tenant. One transaction for each tenant; one repair at a time,
    for two would add the same twice. Live traffic may go on.
    """
    await conn.execute(ALONE, (ALONE_KEY,))
    try:
        return await _repaired(conn, open_events)
    finally:
        await conn.execute(ALONE_NO_MORE, (ALONE_KEY,))


async def _repaired(conn: AsyncConnection, open_events: OpenEvents) -> BudgetRepair:
    changes: list[str] = []
    for _ in range(LOOKS_MAX):
        read = await read_budgets(conn, open_events)
        counters, holds = read.wrong_counters(), read.wrong_holds()
        if not counters and not holds:
            return BudgetRepair(changes, is_right=True)
        for tenant_id in sorted({key[0] for key in (*counters, *holds)}):
            async with conn.transaction():
                changes += await _repair_tenant(conn, tenant_id, read)
    return BudgetRepair(changes, is_right=False)


async def _repair_tenant(conn: AsyncConnection, tenant_id: UUID, read: BudgetsRead) -> list[str]:
    """The counters first and in the order in which everybody locks them."""
    changes: list[str] = []
    counters = {_place(key): told for key, told in read.wrong_counters().items()}
    own = sorted(place for place in counters if place[0] == tenant_id)
    for statement in (BEGUN, LOCK):
        for place in own:
            await conn.execute(statement, place)
    for place in own:
        there, due = counters[place]
        await conn.execute(ADD, (due[0] - there[0], due[1] - there[1], *place))
        changes.append(
            f"tenant {tenant_id} budget {place[1]}: {there[0]} spent and {there[1]} held"
            f" became {due[0]} and {due[1]}"
        )
    for hold, (there, due) in sorted(read.wrong_holds().items()):
        if hold[0] == tenant_id:
            await _repair_hold(conn, hold, there, due)
            _, execution, path, attempt, budget = hold
            changes.append(
                f"tenant {tenant_id} budget {budget}: {there or 0} held by {execution}"
                f" {path}:{attempt} became {0 if due is None else due[1]}"
            )
    return changes


async def _repair_hold(
    conn: AsyncConnection, hold: Hold, there: int | None, due: tuple[Counter, int] | None
) -> None:
    if due is None:
        await conn.execute(LET_GO, (there, *hold))
    elif there is None:
        _, _, run, period = _place((hold[0], due[0]))
        await conn.execute(HOLD, (*hold, due[1], run, period))
    else:
        await conn.execute(CORRECT, (due[1], there, *hold))


def _place(key: CounterOf) -> tuple[UUID, UUID, UUID, datetime]:
    tenant_id, (budget_id, run_id, start) = key
    return (
        tenant_id,
        UUID(budget_id),
        NO_RUN if run_id is None else UUID(run_id),
        NO_PERIOD if start is None else datetime.fromisoformat(start),
    )
