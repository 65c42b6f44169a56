"""What administrators are written about budgets."""

from uuid import UUID

import pytest

from commands.budget_notices import MAILS_A_DAY_MAX, alert_notices
from commands.budget_port import DueAlert
from commands.identity_port import StoredUserAccess
from domain.budget_rules import Counter
from domain.budgets import Budget, Keeper
from domain.envelope import Envelope
from domain.identity import User
from tests.commands.fakes import World

USD = 10**12
BUDGET, AGENT, RUN = (UUID(int=number) for number in (1, 2, 3))
MARCH = "2026-02-28T23:00:00+00:00"


def a_budget(
    period: str = "month",
    scope: str = "agent",
    scope_id: UUID | None = AGENT,
    keeper: Keeper = "tenant",
) -> Budget:
    return Budget(
        id=BUDGET,
        scope_type=scope,
        scope_id=None if scope_id is None else str(scope_id),
        period=period,
        window_s=3600 if period == "rolling" else None,
        time_zone="Europe/Berlin",
        limit_usd_pico=USD,
        mode="hard",
        notify_at=["0.8"],
        unpriced="refuse",
        keeper=keeper,
    )


async def written(world: World, budget: Budget, alert: DueAlert) -> None:
    _, run_id, start = alert.counter
    budget.tell_exhausted(
        run_id=run_id, period_start=start, spent_usd_pico=alert.spent, limit_usd_pico=alert.limit
    )
    await alert_notices(budget, alert, world.ports)


async def a_world() -> World:
    world = World()
    user = User(id=world.ids.new(), email="ada@example.com", role="ADMIN", name=None)
    row = StoredUserAccess(user.id, b"hash", "ADMIN", "ACTIVE")
    await world.store.append([user], Envelope(world.tenant_id, "user:ada"), side_rows=[row])
    return world


def an_alert(world: World, counter: Counter) -> DueAlert:
    fields = (None, USD // 4 * 3, USD, None, None, None, None)
    return DueAlert(world.ids.new(), world.tenant_id, "exhausted", counter, *fields)


@pytest.mark.parametrize(
    ("budget", "counter", "scope", "period"),
    [
        (
            a_budget(),
            Counter(str(BUDGET), None, MARCH),
            f"the agent {AGENT}",
            "the month that began on 2026-03-01 (Europe/Berlin)",
        ),
        (
            a_budget("run", "run", None),
            Counter(str(BUDGET), str(RUN), None),
            f"every run; here the run {RUN}",
            "each run",
        ),
        (
            a_budget("rolling", "tenant", None),
            Counter(str(BUDGET), None, MARCH),
            "the tenant",
            "any 3600 seconds",
        ),
        (
            a_budget("total", "api_key"),
            Counter(str(BUDGET), None, None),
            f"the api key {AGENT}",
            "since the budget was made",
        ),
    ],
    ids=["month of an agent", "each run", "rolling", "total of a key"],
)
async def test_a_mail_says_of_what_and_when_and_how_much(
    budget: Budget, counter: Counter, scope: str, period: str
) -> None:
    world = await a_world()
    await written(world, budget, an_alert(world, counter))
    (mail,) = world.mailbox.mails
    assert mail.to == "ada@example.com"
    assert "0.75 of 1 USD" in mail.text
    assert f"Of: {scope}\nPeriod: {period}\n" in mail.text
    assert f'budget(id: "{BUDGET}")' in mail.text


@pytest.mark.parametrize(
    ("keeper", "told"),
    [
        ("tenant", f"To change it: PATCH /api/v1/budgets/{BUDGET}\n"),
        ("operator", "It was set by the operator of this installation, who alone can change it.\n"),
        ("reseller", "It was set by the reseller of your tenant, who alone can change it.\n"),
    ],
)
async def test_a_mail_says_who_can_change_it(keeper: Keeper, told: str) -> None:
    world, budget = await a_world(), a_budget("total", "tenant", None, keeper)
    await written(world, budget, an_alert(world, Counter(str(BUDGET), None, None)))
    assert world.mailbox.mails[0].text.endswith(told)


async def test_a_budget_of_each_run_does_not_fill_anybodys_mailbox() -> None:
    world, budget = await a_world(), a_budget("run", "run", None)
    for _ in range(MAILS_A_DAY_MAX + 3):
        await written(world, budget, an_alert(world, Counter(str(BUDGET), str(RUN), None)))
    assert len(world.mailbox.mails) == MAILS_A_DAY_MAX
    assert "writes no more until tomorrow" in world.mailbox.mails[-1].text
    assert "writes no more" not in world.mailbox.mails[-2].text
