"""The saga of budget alerts: what the database found as it counted becomes an event of the budget.

    counted past a threshold ──► a row, once ──► claimed ──► the event and mails, and the row goes

The row is made in the transaction that counts, under the lock of its counter, and goes in the one
of the event: however many workers look, and wherever one dies, each is told once.
"""

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from commands.budget_notices import alert_notices
from commands.budget_port import BudgetAlerts, DueAlert, ToldAlert
from commands.ports import Ports
from commands.sealing_port import KeyDestroyed
from domain.budgets import Budget
from domain.envelope import Envelope
from domain.errors import Stale
from domain.money import usd_text
from infra.crash_points import reach

log = logging.getLogger(__name__)

PAGE = 100
LEASE_S = 20.0


@dataclass(frozen=True, slots=True)
class BudgetAlertSaga:
    """poll_s: how often it is looked for alerts when there was none."""

    alerts: BudgetAlerts
    ports: Ports
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """A page of them. False: none is due."""
        due = await self.alerts.claim(LEASE_S, PAGE)
        for alert in due:
            await self._tell(alert)
        return bool(due)

    async def _tell(self, alert: DueAlert) -> None:
        events = self.ports.events
        try:
            budget = await events.load(Budget, UUID(alert.counter.budget_id), alert.tenant_id)
            assert budget is not None, alert
            _record(budget, alert)
            mails = await alert_notices(budget, alert, self.ports)
        except KeyDestroyed:
            return  # The row goes with what is left of the tenant.
        reach("budgets.before_alert")
        try:
            await events.append(
                [budget],
                Envelope(alert.tenant_id, self.actor, causation_id=alert.cause_id),
                side_rows=[ToldAlert(alert.alert_id), *mails],
            )
        except Stale:
            log.info("budget %s was changed meanwhile; its alert is due again", budget.id)
        else:
            reach("budgets.after_alert")


def _record(budget: Budget, alert: DueAlert) -> None:
    _, run_id, period_start = alert.counter
    match alert.kind:
        case "threshold":
            assert alert.threshold is not None
            budget.tell_threshold(
                run_id=run_id,
                period_start=period_start,
                threshold=alert.threshold,
                spent_usd_pico=alert.spent,
                limit_usd_pico=alert.limit,
            )
        case "exhausted":
            budget.tell_exhausted(
                run_id=run_id,
                period_start=period_start,
                spent_usd_pico=alert.spent,
                limit_usd_pico=alert.limit,
            )
        case "overshot":
            assert alert.attempt is not None
            assert alert.reserved is not None
            log.warning(
                "budget %s was overshot: a call that had reserved %s USD was billed %s USD",
                budget.id,
                usd_text(alert.reserved),
                usd_text(alert.spent),
            )
            budget.tell_overshot(
                run_id=run_id,
                period_start=period_start,
                execution_id=str(alert.execution_id),
                path=str(alert.path),
                attempt=alert.attempt,
                reserved_usd_pico=alert.reserved,
                cost_usd_pico=alert.spent,
            )
