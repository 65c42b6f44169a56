"""What the administrators of a tenant are written about its budgets."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from commands.administrator_mail import mail_to_administrators
from commands.budget_port import DueAlert
from commands.mail_port import QueuedMail
from commands.ports import Ports
from domain.budgets import Budget
from domain.money import usd_text

# Of one budget; a budget for each run may come to its limit with each of them.
MAILS_A_DAY_MAX = 12

THRESHOLD = """\
{part} % of a budget are spent: {spent} of {limit} USD.
"""
EXHAUSTED = """\
A call was refused, for what is left of a budget does not pay for it: {spent} of {limit} USD are
spent, and calls that are under way may hold the rest. It is refused what costs more than is left,
until the period ends or the limit is raised.
"""
OVERSHOT = """\
A provider billed {spent} USD for a call that had reserved {reserved} USD of a budget of
{limit} USD. All of it counts. The call was made by the execution {execution_id}.
"""
WHERE = """
Budget: {budget_id}
Of: {scope}
Period: {period}

To see how it stands, ask POST /graphql with a credential of your tenant:
{{ budget(id: "{budget_id}") {{ limitUsd spentUsd reservedUsd overshotUsd status }} }}
"""
OWN = """\
To change it: PATCH /api/v1/budgets/{budget_id}
"""
KEPT = """\
It was set by the {keeper}, who alone can change it.
"""
KEEPERS = {"operator": "operator of this installation", "reseller": "reseller of your tenant"}
LAST = """
This budget told you {count} times today, and writes no more until tomorrow (UTC). Its events are
in the log all the same, and in the GraphQL subscription budgetAlerts.
"""
SUBJECTS = {
    "threshold": "A budget has reached a threshold",
    "exhausted": "A budget is exhausted",
    "overshot": "A budget was overshot",
}
TEXTS = {"threshold": THRESHOLD, "exhausted": EXHAUSTED, "overshot": OVERSHOT}


async def alert_notices(budget: Budget, alert: DueAlert, ports: Ports) -> Sequence[QueuedMail]:
    """Side rows for the append that records the alert. budget: with the event of it."""
    count = budget.told_count
    if count > MAILS_A_DAY_MAX:
        return ()
    last = OWN if budget.keeper == "tenant" else KEPT
    text = (TEXTS[alert.kind] + WHERE + last).format(
        part=None if alert.threshold is None else _percent(alert.threshold),
        spent=usd_text(alert.spent),
        limit=usd_text(alert.limit),
        reserved=usd_text(alert.reserved or 0),
        execution_id=alert.execution_id,
        budget_id=budget.id,
        scope=_scope(budget, alert),
        period=_period(budget, alert),
        keeper=KEEPERS.get(budget.keeper),
    )
    if count == MAILS_A_DAY_MAX:
        text += LAST.format(count=count)
    return await mail_to_administrators(ports, alert.tenant_id, SUBJECTS[alert.kind], text)


def _percent(part: str) -> str:
    return f"{(Decimal(part) * 100).normalize():f}"


def _scope(budget: Budget, alert: DueAlert) -> str:
    if alert.counter.run_id is not None:
        return f"{_named(budget)}; here the run {alert.counter.run_id}"
    return _named(budget)


def _named(budget: Budget) -> str:
    if budget.scope_id is not None:
        return f"the {budget.scope_type.replace('_', ' ')} {budget.scope_id}"
    return "every run" if budget.scope_type == "run" else "the tenant"


def _period(budget: Budget, alert: DueAlert) -> str:
    match budget.period:
        case "day" | "month":
            assert alert.counter.period_start is not None
            start = datetime.fromisoformat(alert.counter.period_start)
            local = start.astimezone(ZoneInfo(budget.time_zone))
            return f"the {budget.period} that began on {local:%Y-%m-%d} ({budget.time_zone})"
        case "rolling":
            return f"any {budget.window_s} seconds"
        case "run":
            return "each run"
        case _:
            return "since the budget was made"
