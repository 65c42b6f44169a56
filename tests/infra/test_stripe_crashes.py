"""An invoice that is collected through Stripe, on a real PostgreSQL, by a worker that is killed
when Stripe has the money and nobody knows.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
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
from domain.payments import Payment, payment_of_invoice
from infra.metrics import METRICS
from infra.runtime import Runtime, build_runtime
from infra.settings import Settings
from sagas.deadlines import DeadlineSaga
from tests.architecture.sources import ROOT
from tests.end_to_end.stack import CHEAP_HASHING
from tests.faults.crash_chains import OF_PAYMENTS
from tests.stripe_server import StripeServer, stripe_server

ACME = CreateTenant("Acme", "ada@example.com", "correct horse battery")
OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
PERIOD = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
WAIT_S = 60.0


@dataclass
class Collecting:
    """A worker in this process, its Stripe, and a tenant that has saved a card."""

    url: str
    environment: dict[str, str]
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
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.infra.stripe_worker"),
            env={**os.environ, **self.environment, "AGENTLEDGER_CRASH_AT": point},
            cwd=ROOT,
        )
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == -signal.SIGKILL

    def end_leases(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("UPDATE agentledger.deadlines SET leased_until = '-infinity'")

    def mails_count(self) -> int:
        with psycopg.connect(self.url, autocommit=True) as conn:
            found = conn.execute("SELECT count(*) FROM agentledger.mail_outbox").fetchone()
        assert found is not None
        return int(found[0])

    async def payment(self, invoice: Invoice) -> Payment:
        payment_id = payment_of_invoice(invoice.id, invoice.period_end)
        found = await self.ports.events.load(Payment, payment_id, self.tenant_id)
        assert found is not None
        return found


@pytest.fixture
async def collecting(
    database_url: str, master_key: str, monkeypatch: pytest.MonkeyPatch
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
            built = Collecting(database_url, environment, server, runtime, saga, ports, tenant_id)
            await built.saves_a_card()
            yield built


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
    [point] = OF_PAYMENTS
    await collecting.dies_at(point)
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
