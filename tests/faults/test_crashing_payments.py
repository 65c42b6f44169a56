"""Invoices that are collected through Stripe, on a real PostgreSQL, by workers that are killed:
when Stripe has the money and nobody knows, and at every step of dunning.
"""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from cli.deadlines import build_deadlines, deadline_ports
from commands.authorization import Caller
from commands.decisions import Command, Tenancy
from commands.dispatch import Origin
from commands.payment_collection import begun_collection
from commands.payments import OpenCheckout, ReceiveProviderEvent
from commands.ports import Ports
from commands.tenants import CreateTenant
from domain.envelope import Envelope
from domain.identifiers import JsonObject, TenantId
from domain.invoices import Invoice, invoice_id
from domain.payments import DUNNING_DAYS, Payment, payment_of_invoice
from domain.tenants import Tenant
from infra.metrics import METRICS
from infra.runtime import Runtime, build_runtime
from infra.settings import Settings
from sagas.deadlines import DeadlineSaga
from tests.end_to_end.stack import CHEAP_HASHING
from tests.faults.crash_chains import OF_PAYMENTS
from tests.faults.processes import Installation
from tests.stripe_server import StripeServer, stripe_server

ACME = CreateTenant("Acme", "ada@example.com", "correct horse battery")
OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
PERIOD = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
WAIT_S = 60.0
TOPICS = "SELECT topic FROM agentledger.events WHERE originator_id = %s ORDER BY originator_version"
MAILS = "SELECT count(*) FROM agentledger.mail_outbox WHERE tenant_id = %s"
TRIED = ["payment.attempted", "payment.failed"]
LOOK = "by a worker that lives"
# What becomes of each try at an invoice, whose card is declined.
TRIES = (
    ("deadlines.after_claim", LOOK, "payments.after_charge"),
    ("append.in_transaction", LOOK, "append.after_commit"),
    ("deadlines.before_release",),
    (LOOK, "append.in_transaction"),
)


@dataclass
class Collecting:
    """A worker in this process, its Stripe, and a tenant that has saved a card."""

    url: str
    workers: Installation
    server: StripeServer
    runtime: Runtime
    saga: DeadlineSaga
    ports: Ports
    tenant_id: TenantId

    async def when(self, command: Command, *scopes: str) -> JsonObject:
        caller = Caller("somebody", self.tenant_id, frozenset(scopes))
        origin = Origin(self.runtime.ids.new())
        return (await self.saga.dispatcher.dispatch(command, caller, origin)).result

    async def saves_a_card(self) -> None:
        page = OpenCheckout(None, None, "https://a.example/", "https://a.example/")
        await self.when(page, page.requires)
        [session] = [one for one in self.server.things if one.startswith("checkout")]
        self.server.pay(session, "pm_visa")
        told = ReceiveProviderEvent("evt_1", "checkout.session.completed", "checkout", session)
        await self.when(told, told.requires)

    async def is_invoiced(self) -> Invoice:
        on = Tenancy(self.ports, Caller("worker", self.tenant_id, frozenset()), self.tenant_id)
        start, end = PERIOD
        facts = {"period_start": start.isoformat(), "period_end": end.isoformat()}
        invoice = on.begin(
            Invoice, invoice_id(self.tenant_id, start), issuer_id=None, time_zone="UTC", **facts
        )
        now = self.runtime.clock.now()
        invoice.open_draft(now=now, grace_until=now)
        amounts = {"currency": "EUR", "total": 4900, "amount_due": 4900}
        document: JsonObject = {"number": "INV-1", "usd_rate": "1"}
        invoice.finalize(number=1, document=document, content_sha256="", amounts=amounts)
        invoice.issue(due_at=now)
        begun = await begun_collection(invoice, on)
        await self.ports.events.append(
            [invoice, *begun.aggregates],
            Envelope(self.tenant_id, "worker"),
            side_rows=tuple(begun.side_rows),
        )
        return invoice

    async def is_looked_at(self) -> bool:
        """By the worker of this process, whoever had leased it. Whether anything was due."""
        self.end_leases()
        return await self.saga.work_once()

    async def dies_at(self, point: str) -> None:
        """Another worker looks at it, and is killed there."""
        self.end_leases()
        process = self.workers.start("deadline", AGENTLEDGER_CRASH_AT=point)
        assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()

    def end_leases(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("UPDATE agentledger.deadlines SET leased_until = '-infinity'")

    def the_next_time_comes(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("UPDATE agentledger.deadlines SET due_at = clock_timestamp()")

    def topics(self, stream_id: UUID) -> list[str]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            found = conn.execute(TOPICS, (stream_id,)).fetchall()
        return [row[0] for row in found]

    def mails_count(self) -> int:
        with psycopg.connect(self.url, autocommit=True) as conn:
            found = conn.execute(MAILS, (self.tenant_id,)).fetchone()
        assert found is not None
        return int(found[0])

    async def payment(self, invoice: Invoice) -> Payment:
        payment_id = payment_of_invoice(invoice.id, invoice.period_end)
        found = await self.ports.events.load(Payment, payment_id, self.tenant_id)
        assert found is not None
        return found


@pytest.fixture
async def collecting(
    database_url: str, master_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Collecting]:
    async with stripe_server() as server:
        environment = {
            **CHEAP_HASHING,
            "AGENTLEDGER_DATABASE_URL": database_url,
            "AGENTLEDGER_MASTER_KEY": master_key,
            "AGENTLEDGER_STRIPE_API_KEY": "sk_test_1",
            "AGENTLEDGER_STRIPE_API_BASE": server.base,
            "AGENTLEDGER_HTTP_ALLOW": server.base.removeprefix("http://"),
        }
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        async with build_runtime(Settings()) as runtime:
            ports = await deadline_ports(runtime)
            saga = await build_deadlines(runtime, ports)
            made = await saga.dispatcher.dispatch(ACME, OPERATOR, Origin(runtime.ids.new()))
            tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
            workers = Installation(environment, tmp_path)
            built = Collecting(database_url, workers, server, runtime, saga, ports, tenant_id)
            await built.saves_a_card()
            yield built
            workers.end()


def succeeded_count() -> float:
    told = {"result": "succeeded"}
    return METRICS.registry.get_sample_value("agentledger_payments_total", told) or 0.0


async def test_who_dies_when_stripe_has_the_money_charges_nobody_twice(
    collecting: Collecting,
) -> None:
    """Also when Stripe has forgotten by now under which key it was asked."""
    invoice = await collecting.is_invoiced()
    assert await collecting.is_looked_at()
    assert (await collecting.payment(invoice)).is_attempting
    await collecting.dies_at("payments.after_charge")
    assert collecting.server.taken == 4900
    collecting.server.answers.clear()
    before = succeeded_count()
    assert await collecting.is_looked_at()
    assert succeeded_count() == before + 1
    payment = await collecting.payment(invoice)
    assert (payment.status, payment.attempt) == ("succeeded", 1)
    paid = await collecting.ports.events.load(Invoice, invoice.id, collecting.tenant_id)
    assert paid is not None
    assert paid.status == "paid"
    assert (collecting.server.taken, len(collecting.server.intents)) == (4900, 1)
    assert not await collecting.is_looked_at()
    # It is told to the administrator, by a mail that went into the outbox with it.
    assert collecting.mails_count() == 1


async def test_dunning_ends_the_same_wherever_its_workers_die(collecting: Collecting) -> None:
    assert {point for points in TRIES for point in points} >= OF_PAYMENTS
    assert len(TRIES) == 1 + len(DUNNING_DAYS)
    collecting.server.declines = ["insufficient_funds"] * len(TRIES)
    invoice = await collecting.is_invoiced()
    payment_id = payment_of_invoice(invoice.id, invoice.period_end)
    for number, points in enumerate(TRIES, 1):
        for point in points:
            if point == LOOK:
                assert await collecting.is_looked_at()
            else:
                await collecting.dies_at(point)
        while await collecting.is_looked_at():
            pass
        assert collecting.topics(payment_id)[1 : 1 + 2 * number] == TRIED * number
        collecting.the_next_time_comes()
    assert not await collecting.is_looked_at()
    # As if nobody had died: each try is recorded, asked for and written about once.
    assert collecting.topics(payment_id)[1:] == [*TRIED * len(TRIES), "payment.abandoned"]
    ends = ["invoice.issued", "invoice.past_due_marked", "invoice.uncollectible_marked"]
    assert collecting.topics(invoice.id)[-3:] == ends
    assert (len(collecting.server.intents), collecting.server.taken) == (len(TRIES), 0)
    assert collecting.mails_count() == len(TRIES)
    tenant = await collecting.ports.events.load(Tenant, collecting.tenant_id, collecting.tenant_id)
    assert tenant is not None
    assert tenant.standing == "suspended"
