"""Billing on a real database: facts are read from the log, and numbers have no gap."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.authorization import Caller
from commands.billing_accounts import SetBillingTerms
from commands.billing_port import IssuedDocument, RemovedBillingTimer, SetBillingTimer
from commands.bulk_port import ExecutionSearch
from commands.dispatch import Dispatcher, Origin
from commands.ports import Ports
from commands.sealing_port import DestroyedSubjectKey
from commands.tenants import CreateTenant
from domain.agents import Agent
from domain.billing_periods import Period
from domain.envelope import Envelope
from domain.errors import Stale
from domain.executions import Execution
from domain.identifiers import PLATFORM, TenantId
from domain.invoice_documents import canonical
from domain.invoice_facts import BEGINNING, Fact, GatheredFacts
from domain.invoices import Invoice, invoice_id
from domain.usage_events import UsageEvent, usage_event_id
from infra.admission import EveryoneAdmitted
from infra.billing_facts import PostgresBilling
from infra.billing_rows import PostgresBillingTimers
from infra.invoice_verification import _made_again, verify_invoices
from infra.secrets_source import SecretsSource
from sagas.billing import BillingSaga
from tests.commands.event_store_contract import an_agent, an_execution
from tests.commands.fakes import NOON, FakeClock, World
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.infra.test_subjects import a_run
from tests.projections.histories import FREE, USAGE

USED_AT = datetime(2026, 11, 22, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
COMPLETED: dict[str, Any] = {"node_type": "llm", "output": "secret words", "ports": []}


@pytest.fixture
async def billing(parts: Parts) -> PostgresBilling:
    return PostgresBilling(await parts.database("api"), parts.keys)


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(IDS.new())


async def facts_of(billing: PostgresBilling, tenant_id: TenantId) -> list[Fact]:
    end = await billing.settled()
    pages = billing.facts(tenant_id, after=BEGINNING, before=end)
    return [fact async for page in pages for fact in page]


def completed(run: Execution, path: str, **told: Any) -> None:
    fields = {**COMPLETED, **USAGE, **told}
    run.trigger_event(Execution.NodeCompleted, path=path, attempt=1, **fields)


async def append(parts: Parts, tenant_id: TenantId, *aggregates: Any, **rows: Any) -> None:
    await parts.store.append(list(aggregates), Envelope(tenant_id, "test"), **rows)


async def test_every_paid_attempt_is_a_fact_and_no_other(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    run = an_execution({})
    completed(run, "draft")
    completed(run, "end", **FREE)
    other = an_execution({})
    completed(other, "draft")
    await append(parts, tenant_id, run, an_agent())
    await append(parts, TenantId(IDS.new()), other)
    (fact,) = await facts_of(billing, tenant_id)
    assert (fact.stream_id, fact.path, fact.attempt) == (run.id, "draft", 1)
    assert (fact.model, fact.prices, fact.lines) == (
        "offline/echo",
        "offline/1",
        USAGE["usage"]["lines"],
    )


async def test_what_was_unresolved_is_held_and_resolved_when_it_happened(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    run = an_execution({})
    lost = {"path": "draft", "node_type": "llm", "attempt": 1}
    run.trigger_event(
        Execution.UsageUnresolved, **lost, model=None, workflow_id=None, created_by="x"
    )
    await append(parts, tenant_id, run)
    (held,) = await facts_of(billing, tenant_id)
    run.trigger_event(Execution.UsageResolved, **lost, **USAGE, reason="as reported")
    await append(parts, tenant_id, run)
    _, resolved = await facts_of(billing, tenant_id)
    assert (held.lines, resolved.happened_at) == (None, held.happened_at)
    assert resolved.place > held.place


async def test_what_an_erased_person_used_is_still_a_fact(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    run = a_run(tenant_id, "customer-1")
    completed(run, "draft")
    await append(parts, tenant_id, run)
    before = await facts_of(billing, tenant_id)
    assert run.subject_id is not None
    rows = [DestroyedSubjectKey(run.subject_id)]
    await append(parts, tenant_id, an_agent(), side_rows=rows)
    assert await facts_of(billing, tenant_id) == before
    assert len(before) == 1


async def test_what_a_tenant_sent_is_of_when_it_says(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    await append(parts, tenant_id, sent(tenant_id, "1", "2026-11-22T01:00:00+01:00"))
    (fact,) = await facts_of(billing, tenant_id)
    assert (fact.happened_at, fact.model, fact.path) == (USED_AT, "", "")


def sent(tenant_id: TenantId, event_id: str, happened_at: str, cost: int = 10**12) -> UsageEvent:
    return UsageEvent._create(
        UsageEvent.Created,
        id=usage_event_id(tenant_id, "/printers", event_id),
        source="/printers",
        event_id=event_id,
        meter="pages",
        subject=None,
        happened_at=happened_at,
        data={},
        counters=[],
        fingerprint="0" * 64,
        usage={**USAGE["usage"], "source": "sent", "lines": [["pages", 5, cost]]},
    )


def a_document(number: int) -> IssuedDocument:
    return IssuedDocument(TenantId(UUID(int=77)), "invoice", number, IDS.new(), "ab" * 32, b"x")


async def test_a_number_is_given_once_and_only_after_the_one_before(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    issuer_id = TenantId(UUID(int=77))
    first = await billing.last_number(issuer_id, "invoice") + 1
    for number, is_next in ((first, True), (first, False), (first + 2, False), (first + 1, True)):
        agent = an_agent()
        store = append(parts, tenant_id, agent, side_rows=[a_document(number)])
        if is_next:
            await store
        else:
            with pytest.raises(Stale):
                await store
            assert await parts.store.load(Agent, agent.id, tenant_id) is None
    assert await billing.last_number(issuer_id, "invoice") == first + 1


async def test_a_timer_is_claimed_when_it_is_due_and_goes(
    parts: Parts, tenant_id: TenantId
) -> None:
    timers = PostgresBillingTimers(await parts.database("worker"))
    due_at = datetime(2001, 1, 1, tzinfo=UTC)
    subject_id = IDS.new()
    await append(parts, tenant_id, an_agent(), side_rows=[SetBillingTimer(subject_id, due_at)])
    assert await timers.claim(60, now=due_at - timedelta(seconds=1)) is None
    claimed = await timers.claim(60, now=due_at)
    assert claimed is not None
    assert claimed == (tenant_id, subject_id)
    assert await timers.claim(60, now=due_at) is None
    await append(parts, tenant_id, an_agent(), side_rows=[RemovedBillingTimer(subject_id)])
    await timers.release(claimed, pause_s=0)
    assert await timers.claim(60, now=due_at) is None


class Installation:
    """Billing on the real store, by a clock that tests move."""

    def __init__(
        self, parts: Parts, billing: PostgresBilling, search: ExecutionSearch | None = None
    ) -> None:
        self.clock = FakeClock()
        secrets = SecretsSource(bcrypt_cost=4)
        world = World()
        self.ports = Ports(
            parts.store,
            self.clock,
            IDS,
            secrets,
            EveryoneAdmitted(),
            sealing=parts.keys,
            billing=billing,
            users=world.users,
            search=search,
        )
        self.operator = world.operator
        self.dispatcher = Dispatcher(self.ports)

    async def billed_tenant(self) -> TenantId:
        create = CreateTenant("Acme", f"{IDS.new()}@example.com", "correct horse battery")
        made = await self.done(create)
        tenant_id = TenantId(UUID(made["tenant_id"]))
        await self.done(SetBillingTerms(tenant_id, "USD", "1", None, {}, 14, 60))
        return tenant_id

    async def done(self, command: Any, caller: Caller | None = None) -> Any:
        origin = Origin(IDS.new())
        return (await self.dispatcher.dispatch(command, caller or self.operator, origin)).result


async def test_invoices_that_are_finalised_at_once_have_numbers_without_a_gap(
    parts: Parts, billing: PostgresBilling
) -> None:
    installation = Installation(parts, billing)
    tenants = [await installation.billed_tenant() for _ in range(6)]
    for tenant_id in tenants:
        await append(parts, tenant_id, sent(tenant_id, "1", USED_AT.isoformat()))
    before = await billing.last_number(PLATFORM, "invoice")
    installation.clock.time = DECEMBER + timedelta(seconds=60)
    timers = PostgresBillingTimers(await parts.database("worker"))

    async def work() -> None:
        saga = BillingSaga(timers, installation.ports, "worker:1", poll_s=1)
        while await saga.work_once():
            pass

    await asyncio.gather(*(work() for _ in range(3)))
    invoices = [
        await parts.store.load(Invoice, invoice_id(one, FakeClock().now()), one) for one in tenants
    ]
    assert {one.number for one in invoices if one is not None} == {before + n for n in range(1, 7)}
    assert {one.status for one in invoices if one is not None} == {"issued"}


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


async def test_verify_makes_every_invoice_again_and_finds_what_was_changed(
    parts: Parts, billing: PostgresBilling, owner: AsyncConnection
) -> None:
    """A month with a fact of each kind: in time, late, in the grace, held and resolved later."""
    installation = Installation(parts, billing)
    tenant_id = await installation.billed_tenant()
    timers = PostgresBillingTimers(await parts.database("worker"))
    saga = BillingSaga(timers, installation.ports, "worker:1", poll_s=1)

    async def until(now: datetime) -> None:
        installation.clock.time = now
        while await saga.work_once():
            pass

    await append(parts, tenant_id, sent(tenant_id, "1", USED_AT.isoformat()))
    await append(parts, tenant_id, sent(tenant_id, "2", DECEMBER.isoformat(), cost=7))
    await until(DECEMBER)
    await append(parts, tenant_id, sent(tenant_id, "3", USED_AT.isoformat(), cost=10**13))
    await until(DECEMBER + timedelta(seconds=60))
    await append(parts, tenant_id, sent(tenant_id, "4", USED_AT.isoformat(), cost=10**14))
    await until(datetime(2027, 1, 1, 0, 1, tzinfo=UTC))

    async def told() -> list[str]:
        checks = await verify_invoices(owner, parts.seals.opened, lambda _: None)
        return [one for check in checks for one in check.violations if str(tenant_id) in one]

    first = await parts.store.load(Invoice, invoice_id(tenant_id, NOON), tenant_id)
    second = await parts.store.load(Invoice, invoice_id(tenant_id, DECEMBER), tenant_id)
    assert first is not None
    assert second is not None
    # 11 USD in time; 100 USD late, and 7 pico-USD of the new month.
    assert [one.document["total"] for one in (first, second)] == ["11.00", "100.00"]
    assert await told() == []
    # A fact that was there all along, as if somebody had put it into the log by hand.
    place = [1, 1, 1]
    forged: Any = {**first.document, "facts": {**cast("Any", first.document)["facts"]}}
    forged["facts"]["billed_to"] = place
    changed = Fact((1, 1, 2), USED_AT, IDS.new(), "", 0, "", "", [("pages", 1, 5)])
    gathered = GatheredFacts([Period(NOON, DECEMBER)], BEGINNING)
    gathered.take([changed])
    assert canonical(_made_again(forged, Period(NOON, DECEMBER), gathered)) != canonical(forged)
    await owner.execute(
        "UPDATE issued_documents SET content_sha256 = decode(repeat('00', 32), 'hex')"
        " WHERE customer_id = %s AND invoice_id = %s",
        (tenant_id, first.id),
    )
    checks = await verify_invoices(owner, parts.seals.opened, lambda _: None)
    assert any(str(first.id) in one for check in checks for one in check.violations)
