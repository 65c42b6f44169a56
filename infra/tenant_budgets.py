"""Which budgets each tenant has: asked by a worker for every step that is paid for, from memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, cast
from uuid import UUID

import orjson

from commands.budget_port import NO_BUDGETS, TenantBudgets
from domain.budget_rules import NO_PERIOD, NO_RUN, BudgetRule, Counter
from domain.identifiers import TenantId
from domain.reservations import Standing
from infra.budget_moves import counter_told
from infra.postgres import Database
from infra.tenant_memory import TenantMemory

# fmt: off
BUDGETS: LiteralString = "SELECT revision, rules FROM budgets_of(%s)"
STANDINGS: LiteralString = (
    "SELECT w.budget, w.run, w.period, coalesce(w.cap, b.limit_usd_pico), u.spent, u.reserved"
    " FROM json_to_recordset(%s::json)"
    "  AS w(budget uuid, run uuid, period timestamptz, cap numeric)"
    " LEFT JOIN budgets AS b ON b.tenant_id = %s AND b.budget_id = w.budget"
    " CROSS JOIN LATERAL budget_used(%s, w.budget, w.run, w.period, b.window_s) AS u"
    " WHERE w.cap IS NOT NULL OR b.is_hard AND b.is_active"
)
# fmt: on


class PostgresBudgets:
    """Implements commands.budget_port.Budgets. database: the role `api` or `worker`."""

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._memory = TenantMemory(self._read, monotonic_s=monotonic_s, unknown=NO_BUDGETS)
        # Asked for each step: without a call in between.
        self.of, self.known = self._memory.of, self._memory.known

    def forget(self, tenant_id: TenantId) -> None:
        self._memory.forget(tenant_id)

    async def standings(
        self, tenant_id: TenantId, counters: Sequence[Counter], caps: Mapping[str, int]
    ) -> Mapping[Counter, Standing]:
        wanted = [
            {
                "budget": counter.budget_id,
                "run": counter.run_id or str(NO_RUN),
                "period": counter.period_start or NO_PERIOD.isoformat(),
                "cap": caps.get(counter.budget_id),
            }
            for counter in counters
        ]
        asked = (orjson.dumps(wanted).decode(), tenant_id, tenant_id)
        async with self._database.tenant_transaction(tenant_id) as conn:
            rows = await (await conn.execute(STANDINGS, asked)).fetchall()
        return {
            counter_told({"budget": row[0], "run": row[1], "period": row[2].isoformat()}): Standing(
                *map(int, row[3:])
            )
            for row in rows
        }

    async def _read(self, tenant_id: TenantId) -> TenantBudgets:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(BUDGETS, (tenant_id,))).fetchone()
        assert row is not None
        return TenantBudgets(row[0], tuple(_rule(told) for told in row[1] or ()))


def _rule(told: Sequence[Any]) -> BudgetRule:
    budget_id, scope_type, scope_id, *rest = told
    return BudgetRule(
        UUID(budget_id),
        scope_type,
        None if scope_id is None else UUID(cast("str", scope_id)),
        *rest,
    )
