"""Billing on a real database: facts are read from the log, and numbers have no gap."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from commands.billing_port import IssuedDocument, RemovedBillingTimer, SetBillingTimer
from commands.sealing_port import DestroyedSubjectKey
from domain.agents import Agent
from domain.errors import Stale
from domain.executions import Execution
from domain.identifiers import PLATFORM, TenantId
from domain.invoice_facts import BEGINNING, Fact
from domain.invoices import Invoice, invoice_id
from domain.storage_measurements import LOG_BEGINNING, measured_storage
from infra.billing_facts import PostgresBilling
from infra.billing_rows import PostgresBillingTimers
from infra.storage import PostgresStorage
from tests.commands.event_store_contract import an_agent, an_execution
from tests.commands.fakes import FakeClock
from tests.infra.billing_steps import DECEMBER, USED_AT, Installation, append, sent
from tests.infra.budget_steps import EMBEDDED, an_embedding
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.infra.test_subjects import a_run
from tests.projections.histories import FREE, USAGE

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


async def test_facts_of_many_pages_come_in_the_order_of_the_log_each_once(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.billing_facts.PAGE", 2)
    runs = [an_execution({}) for _ in range(6)]
    for run in runs:
        completed(run, "draft")
        await append(parts, tenant_id, run)
    assert [fact.stream_id for fact in await facts_of(billing, tenant_id)] == [r.id for r in runs]
    # Whoever stops in the middle leaves nothing that goes on reading.
    pages = billing.facts(tenant_id, after=BEGINNING, before=await billing.settled())
    before = asyncio.all_tasks()
    assert len(await anext(pages)) == 2
    (ahead,) = asyncio.all_tasks() - before
    await cast("Any", pages).aclose()
    with pytest.raises(asyncio.CancelledError):
        await ahead


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


async def test_a_text_that_was_embedded_is_a_fact_however_its_end_became_known(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    told, lost = (an_embedding("search") for _ in range(2))
    told.complete(EMBEDDED)
    lost.leave_unresolved("interrupted", "nobody told")
    await append(parts, tenant_id, told, lost)
    lost.resolve(EMBEDDED, reason="a report")
    await append(parts, tenant_id, lost)
    known, held, resolved = await facts_of(billing, tenant_id)
    assert (known.stream_id, known.path, known.attempt) == (told.id, "search", 1)
    assert (known.model, known.lines) == ("m", [["embedding_tokens", 7, 140_000]])
    assert (held.stream_id, held.lines) == (lost.id, None)
    assert (resolved.happened_at, resolved.lines) == (held.happened_at, known.lines)


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


async def test_the_time_of_a_run_is_a_fact_of_when_it_ended(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    run = an_execution({})
    lines = [["run_seconds", 3, 3 * 10**10]]
    usage = {**USAGE["usage"], "source": "measured", "prices": "tenant/3", "lines": lines}
    run.trigger_event(Execution.RunMetered, attempt=2, cost_usd_pico=3 * 10**10, usage=usage)
    await append(parts, tenant_id, run)
    (fact,) = await facts_of(billing, tenant_id)
    assert (fact.stream_id, fact.path, fact.attempt) == (run.id, "", 2)
    assert (fact.model, fact.prices, fact.lines) == ("", "tenant/3", lines)


async def test_what_was_kept_is_a_fact_of_its_day_and_the_log_is_counted_on(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    storage = PostgresStorage(await parts.database("worker"))
    run = an_execution({})
    await append(parts, tenant_id, run)
    ever = datetime(2100, 1, 1, tzinfo=UTC)
    first = await storage.kept(tenant_id, after=LOG_BEGINNING, before=ever)
    assert first.log_bytes > 0
    nothing = await storage.kept(tenant_id, after=LOG_BEGINNING, before=USED_AT)
    assert nothing.log_bytes == 0
    completed(run, "draft")
    await append(parts, tenant_id, run)
    more = await storage.kept(tenant_id, after=first.log_to, before=ever)
    whole = await storage.kept(tenant_id, after=LOG_BEGINNING, before=ever)
    assert whole.log_bytes == first.log_bytes + more.log_bytes > first.log_bytes
    other = await storage.kept(TenantId(IDS.new()), after=LOG_BEGINNING, before=ever)
    assert (other.log_bytes, other.payload_bytes) == (0, 0)
    day = date(2026, 11, 20)
    await append(parts, tenant_id, measured_storage(tenant_id, day, whole, [], by="worker:one"))
    _, fact = await facts_of(billing, tenant_id)
    assert fact.happened_at == datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC)
    assert fact.lines == [["storage_bytes", whole.log_bytes + whole.payload_bytes, 0]]
    with pytest.raises(Stale):
        await append(parts, tenant_id, measured_storage(tenant_id, day, first, [], by="worker:2"))


async def test_what_a_tenant_sent_is_of_when_it_says(
    parts: Parts, billing: PostgresBilling, tenant_id: TenantId
) -> None:
    await append(parts, tenant_id, sent(tenant_id, "1", "2026-11-22T01:00:00+01:00"))
    (fact,) = await facts_of(billing, tenant_id)
    assert (fact.happened_at, fact.model, fact.path) == (USED_AT, "", "")


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


async def test_invoices_that_are_finalised_at_once_have_numbers_without_a_gap(
    parts: Parts, billing: PostgresBilling
) -> None:
    installation = Installation(parts, billing)
    tenants = [await installation.billed_tenant() for _ in range(6)]
    for tenant_id in tenants:
        await append(parts, tenant_id, sent(tenant_id, "1", USED_AT.isoformat()))
    before = await billing.last_number(PLATFORM, "invoice")
    installation.clock.time = DECEMBER + timedelta(seconds=60)
    later = installation.clock.time
    await asyncio.gather(*(installation.until(later) for _ in range(3)))
    invoices = [
        await parts.store.load(Invoice, invoice_id(one, FakeClock().now()), one) for one in tenants
    ]
    assert {one.number for one in invoices if one is not None} == {before + n for n in range(1, 7)}
    assert {one.status for one in invoices if one is not None} == {"issued"}
