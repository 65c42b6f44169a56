"""Triggers on the real database: of two workers that come at once one begins the run, and only for
somebody who may still run it.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.authorization import EVERY_SCOPE, Caller
from commands.dispatch import Dispatcher, Origin
from commands.identity_port import StoredUserAccess
from commands.ports import Ports
from commands.triggers import CreateTrigger
from commands.workflows import CreateWorkflow, DeleteWorkflow
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.identity import User
from domain.triggers import Trigger
from infra.admission import EveryoneAdmitted
from infra.due_triggers import PostgresDueTriggers
from infra.mail_outbox import SealedMailbox
from infra.parts import PostgresPartRights
from infra.users import PostgresUsers
from sagas.triggers import TriggerSaga
from tests.commands.fakes import FakeClock, FakeSecrets
from tests.commands.steps import a_chain, an_llm
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

BEGUN = (
    "SELECT count(*) FROM agentledger.events WHERE tenant_id = %s AND topic = 'execution.created'"
)

WAITING = "SELECT user_id FROM agentledger.mail_outbox WHERE tenant_id = %s"


@dataclass
class Stage:
    """An hourly trigger of Ada's; two workers."""

    parts: Parts
    clock: FakeClock
    due: PostgresDueTriggers
    workers: list[TriggerSaga]
    tenant_id: TenantId
    ada: UUID
    trigger_id: UUID

    async def ada_is(self, status: str) -> None:
        key = ApiKey(id=IDS.new(), name="k", prefix="k", scopes=[], user_id=None, expires_at=None)
        row = StoredUserAccess(self.ada, self.ada.bytes, "ADMIN", status)  # pyright: ignore[reportArgumentType] # a status
        envelope = Envelope(self.tenant_id, "user:test")
        await self.parts.store.append([key], envelope, side_rows=[row])

    async def trigger(self) -> Trigger:
        found = await self.parts.store.load(Trigger, self.trigger_id, self.tenant_id)
        assert found is not None
        self.parts.store.keep(found, self.tenant_id)
        return found


@pytest.fixture
async def stage(parts: Parts, database_url: str) -> Stage:
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("DELETE FROM agentledger.due_triggers")
    clock, worker = FakeClock(), await parts.database("worker")
    ports = Ports(
        parts.store,
        clock,
        IDS,
        FakeSecrets(),
        EveryoneAdmitted(),
        parts=PostgresPartRights(worker),
        users=PostgresUsers(await parts.database("api"), "a lookup key"),
        mailbox=SealedMailbox(parts.keys, IDS, has_server=True),
    )
    due = PostgresDueTriggers(worker)
    workers = [TriggerSaga(due, Dispatcher(ports), clock, poll_s=1) for _ in range(2)]
    tenant_id, ada = TenantId(IDS.new()), IDS.new()
    stage = Stage(parts, clock, due, workers, tenant_id, ada, IDS.new())
    await stage.ada_is("ACTIVE")
    caller = Caller(f"user:{ada}", tenant_id, frozenset({EVERY_SCOPE}), ada)
    dispatcher = workers[0].dispatcher
    flow = CreateWorkflow("Flow", None, is_public=False, definition=a_chain(an_llm("a")))
    made = await dispatcher.dispatch(flow, caller, Origin(IDS.new()))
    workflow_id = UUID(str(made.result["workflow_id"]))
    hourly = CreateTrigger(workflow_id, {"name": "Hourly", "schedule": {"every_s": 3600}})
    made = await dispatcher.dispatch(hourly, caller, Origin(IDS.new()))
    stage.trigger_id = UUID(str(made.result["trigger_id"]))
    return stage


async def begun_count(stage: Stage, database_url: str) -> int:
    async with await AsyncConnection.connect(database_url) as owner:
        row = await (await owner.execute(BEGUN, (stage.tenant_id,))).fetchone()
    assert row is not None
    return int(row[0])


async def test_of_two_workers_that_come_at_once_one_begins_the_run(
    stage: Stage, database_url: str
) -> None:
    stage.clock.pass_time(hours=1)
    (due,) = await stage.due.claim(60, now=stage.clock.now(), limit=9)
    await asyncio.gather(*(worker._look_at(due) for worker in stage.workers))
    assert await begun_count(stage, database_url) == 1
    # Whoever came too late has not put off the next time.
    stage.clock.pass_time(hours=1)
    assert len(await stage.due.claim(60, now=stage.clock.now(), limit=9)) == 1


async def test_who_was_deactivated_begins_nothing_more(stage: Stage, database_url: str) -> None:
    await stage.ada_is("DEACTIVATED")
    stage.clock.pass_time(hours=1)
    assert await stage.workers[0].work_once()
    assert await begun_count(stage, database_url) == 0
    assert (await stage.trigger()).is_paused
    stage.clock.pass_time(hours=9)
    assert not await stage.workers[1].work_once()


async def test_the_mail_about_a_pause_waits_in_the_outbox_with_what_it_tells(
    stage: Stage, database_url: str
) -> None:
    ada = User(id=stage.ada, email="ada@example.com", role="ADMIN", name=None)
    await stage.parts.store.append([ada], Envelope(stage.tenant_id, "user:test"))
    caller = Caller(f"user:{stage.ada}", stage.tenant_id, frozenset({EVERY_SCOPE}), stage.ada)
    gone = DeleteWorkflow((await stage.trigger()).workflow_id)
    await stage.workers[0].dispatcher.dispatch(gone, caller, Origin(IDS.new()))
    stage.clock.pass_time(hours=1)
    for worker in stage.workers:
        await worker.work_once()
    assert (await stage.trigger()).is_paused
    async with await AsyncConnection.connect(database_url) as owner:
        mails = await owner.execute(WAITING, (stage.tenant_id,))
        assert await mails.fetchall() == [(stage.ada,)]
