"""The check of `agentledger verify` on budgets: what is counted beside the log is what the log adds
up to, to the pico-USD, and nothing is held by an attempt that has ended.

It is read in one snapshot, so it may run beside live traffic. The snapshot has no transaction id,
so it keeps no reader of the log waiting.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, LiteralString, cast
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from domain.budget_rules import Counter, counters_from
from domain.embedding_calls import ATTEMPT
from infra.budget_moves import cost_of_lines, counter_told
from infra.event_log import COLUMNS, Row, logged_event
from infra.event_sealing import OpenEvents
from infra.verification import IS_ERASED, Check

PAGE = 2000
STARTED, RELEASED = "execution.node_started", "budget.hold_released"
# The intent of one; of calls of before, what had happened (domain/embedding_calls.py).
EMBEDDING = "embedding_call.created"
SENT = "usage_event.created"
OUTCOMES = (
    *("execution.node_completed", "execution.node_failed", "execution.usage_resolved"),
    *("embedding_call.completed", "embedding_call.failed", "embedding_call.usage_resolved"),
)

# fmt: off
BEGIN: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COUNTERS: LiteralString = (
    "SELECT tenant_id, budget_id, run_id, period_start, spent, reserved FROM budget_counters"
    " WHERE NOT tenant_id" + IS_ERASED
)
HELD: LiteralString = (
    "SELECT tenant_id, execution_id, path, attempt, budget_id, amount FROM budget_reservations"
    " WHERE NOT tenant_id" + IS_ERASED
)
# Also of those whose counters are all lost.
TENANTS: LiteralString = (
    "SELECT tenant_id FROM (SELECT tenant_id FROM budget_counters"
    "  UNION SELECT tenant_id FROM budget_reservations"
    "  UNION SELECT tenant_id FROM events WHERE topic = 'budget.created') AS t"
    " WHERE NOT tenant_id" + IS_ERASED
)
EVENTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE (originator_id, originator_version) > (%s, %s)"
    " AND topic = ANY(%s) AND tenant_id = ANY(%s)"
    " ORDER BY originator_id, originator_version LIMIT %s"
)
# fmt: on

NOTHING: dict[str, Any] = {"counters": [], "usd_pico": 0}
# Of a tenant.
CounterOf = tuple[UUID, Counter]
# Tenant, execution, path, attempt, budget.
Hold = tuple[UUID, str, str, int, str]


@dataclass
class BudgetFold:
    """What the log adds up to. held: the counter of each hold that is open, and how much."""

    spent: dict[CounterOf, int] = field(default_factory=lambda: defaultdict(int))
    held: dict[Hold, tuple[Counter, int]] = field(default_factory=lambda: {})
    released: set[Hold] = field(default_factory=set[Hold])
    # By attempt.
    budgets: dict[tuple[UUID, str, str, int], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def reserved(self) -> dict[CounterOf, int]:
        total: dict[CounterOf, int] = defaultdict(int)
        for (tenant_id, *_), (counter, amount) in self.held.items():
            total[tenant_id, counter] += amount
        return total

    def take(self, event: LoggedEvent, fact: dict[str, Any]) -> None:
        tenant_id, stream = event.tenant_id, str(event.stream_id)
        if event.topic == STARTED:
            self._hold((tenant_id, stream, fact["path"], fact["attempt"]), fact)
        elif event.topic == EMBEDDING and fact.get("usage") is None:
            self._hold((tenant_id, stream, fact["purpose"], ATTEMPT), fact)
        elif event.topic in OUTCOMES:
            if fact.get("usage") is None and fact["cost_usd_pico"] is None:
                return
            attempt = (tenant_id, stream, fact["path"], fact["attempt"])
            for budget_id in self.budgets.pop(attempt, ()):
                counter, amount = self.held.pop((*attempt, budget_id))
                cost = fact["cost_usd_pico"]
                self.spent[tenant_id, counter] += amount if cost is None else cost
        elif event.topic in (SENT, EMBEDDING):
            for counter in counters_from(fact.get("counters") or ()):
                self.spent[tenant_id, counter] += cost_of_lines(fact["usage"])

    def _hold(self, attempt: tuple[UUID, str, str, int], fact: dict[str, Any]) -> None:
        reserved: dict[str, Any] = fact.get("reserved") or NOTHING
        for counter in counters_from(reserved["counters"]):
            key = (*attempt, counter.budget_id)
            # It was let go before it was known what it cost, or not at all.
            amount = 0 if key in self.released else reserved["usd_pico"]
            self.held[key] = (counter, amount)
            self.budgets[attempt].append(counter.budget_id)


@dataclass(frozen=True, slots=True)
class BudgetsRead:
    """One snapshot. counted: spent and held, of every counter."""

    counted: dict[CounterOf, tuple[int, int]]
    held: dict[Hold, int]
    fold: BudgetFold

    def wrong_counters(self) -> dict[CounterOf, tuple[tuple[int, int], tuple[int, int]]]:
        """What is there and what is due, spent and held of each."""
        reserved, spent = self.fold.reserved(), self.fold.spent
        found: dict[CounterOf, tuple[tuple[int, int], tuple[int, int]]] = {}
        for key in self.counted.keys() | spent.keys() | reserved.keys():
            there = self.counted.get(key, (0, 0))
            due = (spent.get(key, 0), reserved.get(key, 0))
            if there != due:
                found[key] = (there, due)
        return found

    def wrong_holds(self) -> dict[Hold, tuple[int | None, tuple[Counter, int] | None]]:
        """What is there and what is due."""
        found: dict[Hold, tuple[int | None, tuple[Counter, int] | None]] = {}
        for key in self.held.keys() | self.fold.held.keys():
            there, due = self.held.get(key), self.fold.held.get(key)
            if there is None or due is None or there != due[1]:
                found[key] = (there, due)
        return found


async def read_budgets(conn: AsyncConnection, open_events: OpenEvents) -> BudgetsRead:
    """conn: autocommit, sees every tenant."""
    await conn.execute(BEGIN)
    try:
        counted: dict[CounterOf, tuple[int, int]] = {}
        async for tenant, budget, run, period, spent, reserved in await conn.execute(COUNTERS):
            told = {"budget": budget, "run": run, "period": period.isoformat()}
            counted[tenant, counter_told(told)] = (int(spent), int(reserved))
        held: dict[Hold, int] = {}
        async for tenant, execution, path, attempt, budget, amount in await conn.execute(HELD):
            held[tenant, str(execution), path, attempt, str(budget)] = int(amount)
        tenants = [row[0] for row in await (await conn.execute(TENANTS)).fetchall()]
        folded = await _Log(conn, open_events, tenants).folded() if tenants else BudgetFold()
    finally:
        await conn.execute("ROLLBACK")
    return BudgetsRead(counted, held, folded)


async def verify_budgets(conn: AsyncConnection, open_events: OpenEvents) -> list[Check]:
    """conn: autocommit, sees every tenant."""
    spending = Check("what is counted of every budget is what the log adds up to")
    holding = Check("what is held of every budget is held by an attempt that has not ended")
    read = await read_budgets(conn, open_events)
    spending.checked, holding.checked = len(read.counted), len(read.held)
    for (_, counter), (there, due) in read.wrong_counters().items():
        spending.violated(
            f"budget {counter.budget_id} {counter.run_id or ''}{counter.period_start or ''}:"
            f" {there[0]} spent and {there[1]} held, of {due[0]} and {due[1]} in the log"
        )
    for (_, execution, path, attempt, budget), (amount, due_hold) in read.wrong_holds().items():
        holding.violated(
            f"budget {budget}: {amount or 0} is held by {execution} {path}:{attempt},"
            f" of {0 if due_hold is None else due_hold[1]} that the log says"
        )
    return [spending, holding]


@dataclass(frozen=True, slots=True)
class _Log:
    """Of some tenants."""

    conn: AsyncConnection
    open_events: OpenEvents
    tenants: list[UUID]

    async def folded(self) -> BudgetFold:
        """What was let go first, for it lies in streams of its own."""
        fold = BudgetFold()
        async for event, fact in self._facts([RELEASED]):
            hold = (fact["execution_id"], fact["path"], fact["attempt"])
            fold.released.add((event.tenant_id, *hold, str(event.stream_id)))
        async for event, fact in self._facts([STARTED, EMBEDDING, SENT, *OUTCOMES]):
            fold.take(event, fact)
        return fold

    async def _facts(self, topics: list[str]) -> AsyncIterator[tuple[LoggedEvent, dict[str, Any]]]:
        """As they are stored: of who is erased, what is no personal data is still there."""
        after: tuple[UUID, int] = (UUID(int=0), -1)
        while True:
            cursor = self.conn.cursor(binary=True)
            await cursor.execute(EVENTS, (*after, topics, self.tenants, PAGE))
            rows: list[Row] = await cursor.fetchall()
            for event in await self.open_events([logged_event(row) for row in rows]):
                yield event, cast("dict[str, Any]", orjson.loads(event.state))
            if len(rows) < PAGE:
                return
            after = (rows[-1][3], rows[-1][4])
