"""Deadlines on a real database: written with what they are for, met once by whoever comes first,
and a quarter of a year goes by in a moment.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.deadline_port import DueDeadline
from commands.decisions import Command
from commands.dispatch import Dispatcher, Origin
from commands.plans import CreatePlan
from commands.ports import Ports
from commands.subscriptions import CancelSubscription, ChangeSubscription, Subscribe
from commands.tenants import CreateTenant
from domain.identifiers import JsonObject, TenantId
from domain.subscriptions import Subscription, subscription_id
from infra.admission import EveryoneAdmitted
from infra.deadlines import PostgresDeadlines
from infra.plan_usage import PlanUsage
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from sagas.deadlines import DeadlineSaga
from tests.commands.fakes import FakeClock
from tests.infra.conftest import Conninfo, Parts, build_parts
from tests.infra.log_steps import IDS

OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
TERMS: JsonObject = {
    "interval": "month",
    "recurring_usd": "49",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [],
}


@dataclass
class Month:
    """A tenant that pays for the first of two plans; its clock is moved by the test."""

    parts: Parts
    clock: FakeClock
    dispatcher: Dispatcher
    plans: PlanUsage
    workers: list[DeadlineSaga]
    deadlines: PostgresDeadlines
    tenant_id: TenantId
    first: UUID
    second: UUID

    async def when(self, command: Command) -> JsonObject:
        return (await self.dispatcher.dispatch(command, OPERATOR, Origin(IDS.new()))).result

    async def limits(self) -> object:
        told = await self.plans.of_tenant(self.tenant_id, reseller_id=None)
        return told["limits"]

    async def subscription(self) -> Subscription:
        stream_id = subscription_id(self.tenant_id)
        found = await self.parts.store.load(Subscription, stream_id, self.tenant_id)
        assert found is not None
        return found


@pytest.fixture
async def month(conninfo: Conninfo) -> AsyncIterator[Month]:
    async with build_parts(conninfo) as parts:
        api, worker = await parts.database("api"), await parts.database("worker")
        clock, secrets = FakeClock(), SecretsSource(bcrypt_cost=4)
        users = PostgresUsers(api, "a lookup key of the tests")
        ports = Ports(parts.store, clock, IDS, secrets, EveryoneAdmitted(), users=users)
        dispatcher, deadlines = Dispatcher(ports), PostgresDeadlines(worker)
        workers = [
            DeadlineSaga(deadlines, dispatcher, clock, IDS, f"worker:{number}", poll_s=1)
            for number in (1, 2)
        ]

        async def made(command: Command, name: str) -> UUID:
            answer = await dispatcher.dispatch(command, OPERATOR, Origin(IDS.new()))
            return UUID(str(answer.result[name]))

        admin = "correct horse battery staple"
        tenant_id = await made(CreateTenant("Acme", "ada@example.com", admin), "tenant_id")
        small = await made(CreatePlan("Small", {"users": 3}, False, TERMS), "plan_id")
        large = await made(CreatePlan("Large", {"users": 9}, False, TERMS), "plan_id")
        built = Month(
            parts=parts,
            clock=clock,
            dispatcher=dispatcher,
            plans=PlanUsage(api),
            workers=workers,
            deadlines=deadlines,
            tenant_id=TenantId(tenant_id),
            first=small,
            second=large,
        )
        await built.when(Subscribe(tenant_id, small))
        yield built


async def test_limits_follow_what_is_paid_for_period_by_period(month: Month) -> None:
    assert await month.limits() == {"users": 3}
    (told, *_) = await month.plans.versions(month.first)
    assert told["terms"] == TERMS
    await month.when(ChangeSubscription(month.tenant_id, month.second, None, "period_end"))
    one, other = month.workers
    assert not await one.work_once()
    assert await month.limits() == {"users": 3}
    month.clock.pass_time(days=30)
    assert [await one.work_once(), await other.work_once()] == [True, False]
    assert await month.limits() == {"users": 9}
    await month.when(CancelSubscription(month.tenant_id, "period_end", ""))
    month.clock.pass_time(days=31)
    assert await other.work_once()
    assert await month.limits() == {}
    month.clock.pass_time(days=99)
    assert not await one.work_once()
    assert (await month.subscription()).status == "ended"


async def test_a_worker_that_dies_leaves_its_deadline_to_the_next(month: Month) -> None:
    month.clock.pass_time(days=30)
    due = DueDeadline(month.tenant_id, "subscription", subscription_id(month.tenant_id))
    now: datetime = month.clock.now()
    assert await month.deadlines.claim(30.0, now=now - timedelta(hours=1)) is None
    assert await month.deadlines.claim(30.0, now=now) == due
    assert await month.deadlines.claim(30.0, now=now) is None, "leased"
    await month.deadlines.release(due, pause_s=0)
    assert await month.workers[1].work_once()
    assert (await month.subscription()).life.period is not None
