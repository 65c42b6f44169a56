"""What is to be told of budgets: rows that the database made when it counted, leased to one worker
at a time.
"""

from collections.abc import Sequence
from typing import LiteralString

from commands.budget_port import DueAlert
from domain.embedding_calls import EmbeddingCall
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.usage_events import UsageEvent
from infra.budget_moves import counter_told
from infra.postgres import Database

# What counters move by, and who is refused by them.
COUNTED = [
    Execution.NodeCompleted.TOPIC,
    Execution.NodeFailed.TOPIC,
    Execution.UsageResolved.TOPIC,
    UsageEvent.Created.TOPIC,
    EmbeddingCall.Completed.TOPIC,
    EmbeddingCall.Failed.TOPIC,
    EmbeddingCall.UsageResolved.TOPIC,
]

# fmt: off
CLAIM: LiteralString = (
    "UPDATE budget_alerts AS a SET due_at = clock_timestamp() + make_interval(secs => %s)"
    " WHERE (a.tenant_id, a.alert_id) IN (SELECT o.tenant_id, o.alert_id FROM budget_alerts AS o"
    "   WHERE o.due_at <= clock_timestamp() ORDER BY o.due_at LIMIT %s FOR UPDATE SKIP LOCKED)"
    " RETURNING a.alert_id, a.tenant_id, a.kind, a.budget_id, a.run_id, a.period_start,"
    "  trim_scale(a.threshold)::text, a.spent, a.limit_usd_pico, a.execution_id, a.path, a.attempt,"
    "  a.reserved, event_stored_with(a.tenant_id, a.era, a.tx_id,"
    "   coalesce(a.execution_id, nullif(a.run_id, '00000000-0000-0000-0000-000000000000')), %s)"
)
# fmt: on


class PostgresBudgetAlerts:
    """Implements commands.budget_port.BudgetAlerts. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float, limit: int) -> Sequence[DueAlert]:
        async with self._database.connection() as conn:
            rows = await (await conn.execute(CLAIM, (lease_s, limit, COUNTED))).fetchall()
        due: list[DueAlert] = []
        for alert_id, tenant_id, kind, budget, run, period, threshold, *rest in rows:
            spent, limit_usd_pico, execution_id, path, attempt, reserved, cause_id = rest
            told = {"budget": budget, "run": run, "period": period.isoformat()}
            due.append(
                DueAlert(
                    alert_id,
                    TenantId(tenant_id),
                    kind,
                    counter_told(told),
                    threshold,
                    int(spent),
                    limit_usd_pico,
                    execution_id,
                    path,
                    attempt,
                    None if reserved is None else int(reserved),
                    cause_id,
                )
            )
        return due
