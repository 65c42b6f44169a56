"""What led to what, over all streams of a tenant: real stories on a real log, asked by GraphQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.bulk_operations import OperateInBulk
from commands.bulk_port import ExecutionFilter
from commands.invoices import PayInvoice
from commands.ports import OpenedExecution
from commands.tenants import OffboardTenant
from domain.envelope import Envelope
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.invoices import invoice_id
from infra.billing_facts import PostgresBilling
from infra.billing_rows import PostgresBillingTimers
from infra.clock import SystemClock
from infra.event_places import EventPlace, place_of
from infra.offboardings import PostgresOffboardings
from infra.open_bulk_operations import PostgresOpenBulkOperations
from infra.postgres import Role, role_conninfo
from sagas.billing import BillingSaga
from sagas.bulk_operations import BulkOperationSaga
from sagas.offboarding import OffboardingSaga
from tests.commands.event_store_contract import an_execution
from tests.commands.fakes import NOON
from tests.infra.billing_steps import DECEMBER, USED_AT, Installation, sent
from tests.infra.budget_steps import Tenant
from tests.infra.conftest import Parts, build_parts
from tests.infra.log_steps import IDS
from tests.infra.test_subjects import begun, erase, saga_of
from tests.projections.histories import USAGE, completed
from tests.projections.histories import an_execution as an_execution_of
from tests.read_api.api import KEY, Api

EVENTS = """query($id: ID!) { events(streamId: $id, first: 50) { edges { node {
  topic version actor lineage { streamId topic version } effects { streamId topic } } } } }"""

Told = dict[str, Any]


@dataclass
class Story:
    api: Api
    parts: Parts

    async def of(self, tenant_id: UUID, stream_id: UUID, topic: str) -> Told:
        """The one event of the stream that has the topic, as its tenant is told of it."""
        caller = Caller("user:ada", TenantId(tenant_id), frozenset({"read", "audit:read"}))
        self.api.callers.known[KEY] = caller
        edges = (await self.api.read(EVENTS, id=str(stream_id)))["events"]["edges"]
        (found,) = [edge["node"] for edge in edges if edge["node"]["topic"] == topic]
        return found


@pytest.fixture
async def story(api: Api, shared_database: str, master_key: str) -> AsyncIterator[Story]:
    def conninfo(role: Role) -> str:
        return role_conninfo(shared_database, role, master_key=master_key, statement_timeout_s=20)

    async with build_parts(conninfo) as parts:
        yield Story(api, parts)


def topics(lineage: Sequence[Told]) -> list[str]:
    return [one["topic"] for one in lineage]


async def a_running_run(parts: Parts, tenant_id: TenantId) -> UUID:
    run = an_execution({})
    opened = OpenedExecution(run.id)
    await parts.store.append([run], Envelope(tenant_id, "user:ada"), side_rows=[opened])
    return run.id


async def test_money_that_came_leads_back_to_the_terms_of_its_invoice(story: Story) -> None:
    parts = story.parts
    billing = PostgresBilling(await parts.database("api"), parts.keys)
    installation = Installation(parts, billing)
    tenant_id = await installation.billed_tenant()
    used = sent(tenant_id, "1", USED_AT.isoformat())
    await parts.store.append([used], Envelope(tenant_id, "user:ada"))
    timers = PostgresBillingTimers(await parts.database("worker"))
    saga = BillingSaga(timers, installation.ports, "worker:1", poll_s=1)
    for now in (DECEMBER, DECEMBER + timedelta(seconds=60)):
        installation.clock.time = now
        while await saga.work_once():
            pass
    first = invoice_id(tenant_id, NOON)
    await installation.done(PayInvoice(tenant_id, first, "transfer 7", None, None, None))

    paid = await story.of(tenant_id, first, "invoice.paid")
    assert topics(paid["lineage"]) == [
        "invoice.paid",
        "payment.succeeded",
        "payment.created",
        "invoice.issued",
        "invoice.finalized",
        "invoice.drafted",
        "invoice.created",
        "billing_account.billing_started",
        "billing_account.terms_changed",
        "billing_account.created",
    ]
    issued = await story.of(tenant_id, first, "invoice.issued")
    assert "payment.created" in topics(issued["effects"])
    following = await story.of(tenant_id, invoice_id(tenant_id, DECEMBER), "invoice.created")
    assert topics(following["lineage"])[:2] == ["invoice.created", "invoice.drafted"]


async def test_the_alert_of_a_budget_leads_to_the_call_that_spent_it_and_to_its_run(
    story: Story,
) -> None:
    tenant = Tenant(story.parts, story.api.ledger.owner)
    counter = await tenant.budget(100, notify_at=[0.5])
    runs = [await tenant.call(20, [counter]) for _ in range(3)]
    # Of one batch, as when many end at once: the last one that was counted is named.
    await asyncio.gather(*(tenant.ends(run, 20) for run in runs))
    assert await tenant.told(counter) == ["budget.threshold_reached"]
    alert = await story.of(tenant.id, UUID(counter.budget_id), "budget.threshold_reached")
    assert topics(alert["lineage"]) == [
        "budget.threshold_reached",
        "execution.node_completed",
        "execution.node_started",
        "execution.started",
        "execution.created",
    ]
    run_id = UUID(alert["lineage"][1]["streamId"])
    assert run_id in [run.id for run in runs]
    spent = await story.of(tenant.id, run_id, "execution.node_completed")
    assert spent["effects"] == [{"streamId": counter.budget_id, "topic": alert["topic"]}]


FACTS = """{ usageFacts(from: "2020-01-01T00:00:00Z", to: "2040-01-01T00:00:00Z") { edges { node {
  event { topic lineage { topic commandId } } } } } }"""


async def test_a_fact_of_usage_leads_to_the_request_that_began_the_run(api: Api) -> None:
    run = an_execution_of(api.tenant_id)
    run.happens(Execution.Started)
    completed(run, "draft", **USAGE)
    await api.happened(run)
    (edge,) = (await api.read(FACTS))["usageFacts"]["edges"]
    told = edge["node"]["event"]
    assert told["topic"] == "execution.node_completed"
    assert topics(told["lineage"])[-1] == "execution.created"


class OfOne:
    """A search that finds one run."""

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id

    async def find(
        self, tenant_id: TenantId, wanted: ExecutionFilter, *, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        del tenant_id, wanted, limit
        return [self._run_id] if after is None or after > self._run_id else []

    async def count(self, tenant_id: TenantId, wanted: ExecutionFilter, *, limit: int) -> int:
        del tenant_id, wanted, limit
        return 1


async def test_what_was_cancelled_in_bulk_leads_to_the_operation(story: Story) -> None:
    parts, tenant_id = story.parts, story.api.tenant_id
    run_id = await a_running_run(parts, tenant_id)
    billing = PostgresBilling(await parts.database("api"), parts.keys)
    installation = Installation(parts, billing, search=OfOne(run_id))
    ada = Caller("user:ada", tenant_id, frozenset({"executions:write"}))
    command = OperateInBulk("cancel", {}, {}, executions_max=10, is_dry_run=False)
    operation_id = (await installation.done(command, ada))["bulk_operation_id"]
    saga = BulkOperationSaga(
        PostgresOpenBulkOperations(await parts.database("worker")),
        OfOne(run_id),
        parts.store,
        installation.dispatcher,
        SystemClock(),
        IDS,
        "worker:1",
        poll_s=1,
    )
    while await saga.work_once():
        pass
    cancelled = await story.of(tenant_id, run_id, "execution.cancelled")
    assert cancelled["lineage"][-1] == {
        "streamId": operation_id,
        "topic": "bulk_operation.created",
        "version": 1,
    }
    begun_by = await story.of(tenant_id, UUID(operation_id), "bulk_operation.created")
    assert str(run_id) in [one["streamId"] for one in begun_by["effects"]]


async def test_a_run_that_ends_with_its_tenant_leads_to_who_saw_it_off(story: Story) -> None:
    parts = story.parts
    billing = PostgresBilling(await parts.database("api"), parts.keys)
    installation = Installation(parts, billing)
    tenant_id = await installation.billed_tenant()
    run_id = await a_running_run(parts, tenant_id)
    await installation.done(OffboardTenant(tenant_id, 1))
    installation.clock.pass_time(days=2)
    saga = OffboardingSaga(
        PostgresOffboardings(await parts.database("worker")),
        parts.store,
        installation.dispatcher,
        installation.clock,
        IDS,
        "worker:1",
        poll_s=1,
    )
    # Its last step destroys the key; here its runs are cancelled, and are read before that.
    due = await saga.offboardings.claim(20, now=installation.clock.now())
    assert due is not None
    await saga._cancel(due, run_id)
    cancelled = await story.of(tenant_id, run_id, "execution.cancelled")
    assert topics(cancelled["lineage"])[-2:] == [
        "tenant.offboarding_requested",
        "tenant.created",
    ]


async def test_what_is_erased_of_somebody_leads_to_their_erasure(story: Story) -> None:
    parts, tenant_id = story.parts, story.api.tenant_id
    run = await begun(parts, tenant_id, "customer-1")
    assert run.subject_id is not None
    await erase(parts, tenant_id, run.subject_id)
    saga = await saga_of(parts)
    while await saga.work_once():
        pass
    erased = await story.of(tenant_id, run.id, "execution.erased")
    assert "data_subject.erased" in topics(erased["lineage"])


async def test_a_cause_is_told_only_to_who_sees_it(story: Story) -> None:
    """Of one's own stream, and of nobody's whose streams one does not see."""
    parts, tenant_id, other = story.parts, story.api.tenant_id, TenantId(IDS.new())
    foreign = an_execution({})
    await parts.store.append([foreign], Envelope(other, "user:eve"))
    database = await parts.database("api")
    async with database.tenant_transaction(other) as conn:
        query = "SELECT event_id FROM events WHERE originator_id = %s"
        row = await (await conn.execute(query, (foreign.id,))).fetchone()
    assert row is not None
    event_id: UUID = row[0]
    run = an_execution({})
    envelope = Envelope(tenant_id, "worker:1", causation_id=event_id)
    await parts.store.append([run], envelope)
    told = await story.of(tenant_id, run.id, "execution.created")
    assert topics(told["lineage"]) == ["execution.created"]
    before = EventPlace(run.id, 1)
    assert await place_of(database, other, event_id, before=before) == EventPlace(foreign.id, 1)
    assert await place_of(database, tenant_id, event_id, before=before) is None
