"""A tenant with an invoice, and the clock by which a worker collects it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from commands.authorization import Caller
from commands.deadline_port import StoredDeadline
from commands.decisions import Tenancy
from commands.payment_collection import begun_collection
from commands.payments import CollectPayment, OpenCheckout, ReceiveProviderEvent
from commands.tenants import CreateTenant
from domain.envelope import Envelope
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.invoices import Invoice, invoice_id
from domain.payment_accounts import PaymentAccount, payment_account_id
from domain.payments import Payment, payment_of_invoice
from domain.tenants import Tenant
from tests.commands.fakes import World

ACME = CreateTenant("Acme", "ada@example.com", "correct horse battery")
PERIOD = datetime(2026, 10, 1, tzinfo=UTC)
PERIOD_END = datetime(2026, 11, 1, tzinfo=UTC)
DUE_IN = timedelta(days=14)
TELLS = frozenset({ReceiveProviderEvent.requires})
COLLECTS = frozenset({CollectPayment.requires})
SUCCESS_URL, CANCEL_URL = "https://app.example.com/paid", "https://app.example.com/plans"


def a_page(*, plan_id: UUID | None = None, invoice_id: UUID | None = None) -> OpenCheckout:
    return OpenCheckout(plan_id, invoice_id, SUCCESS_URL, CANCEL_URL)


DOCUMENT: JsonObject = {
    "number": "INV-1",
    "currency": "EUR",
    "usd_rate": "0.5",
    "balance_before": "0.00",
    "credits": "0.00",
    "amount_due": "49.00",
}


@dataclass
class Payer:
    """A tenant, and its administrator."""

    world: World
    tenant_id: TenantId
    admin: Caller

    @classmethod
    async def of(cls, world: World, creator: Caller | None = None) -> "Payer":
        made = await world.when(ACME, caller=creator or world.operator)
        tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
        return cls(world, tenant_id, Caller("api_key:admin", tenant_id, frozenset({"*"})))

    async def opens(self, page: OpenCheckout) -> JsonObject:
        return (await self.world.when(page, caller=self.admin)).result

    async def saves_a_card(self, method_id: str = "pm_visa") -> None:
        await self.opens(a_page())
        checkout_id = f"cs_{len(self.world.payments.checkouts)}"
        self.world.payments.complete(checkout_id, method_id)
        await self.told(checkout_id)

    async def told(self, about: str, event_id: str | None = None) -> JsonObject:
        """What the provider hears when it tells of a page or a charge."""
        payments = self.world.payments
        subject = "checkout" if about in payments.checkouts else "charge"
        known = payments.checkouts.get(about) or payments.made[about]
        caller = Caller("stripe", known.tenant_id or PLATFORM, TELLS)
        event_id = event_id or f"evt_{self.world.ids.new()}"
        event = ReceiveProviderEvent(event_id, "something happened", subject, about)
        return (await self.world.when(event, key=event_id, caller=caller)).result

    async def is_invoiced(self, amount_due: int = 4900, issuer_id: str | None = None) -> Invoice:
        """In EUR, at half of a USD each."""
        world, now = self.world, self.world.clock.now()
        on = Tenancy(world.ports, Caller("worker", self.tenant_id, frozenset()), self.tenant_id)
        invoice = on.begin(
            Invoice,
            invoice_id(self.tenant_id, PERIOD),
            issuer_id=issuer_id,
            period_start=PERIOD.isoformat(),
            period_end=PERIOD_END.isoformat(),
            time_zone="UTC",
        )
        invoice.open_draft(now=now, grace_until=now)
        invoice.finalize(
            number=1,
            document=DOCUMENT,
            content_sha256="",
            amounts={"currency": "EUR", "total": amount_due, "amount_due": amount_due},
        )
        invoice.issue(due_at=now + DUE_IN)
        begun = await begun_collection(invoice, on)
        envelope = Envelope(self.tenant_id, "worker")
        await world.store.append(
            [invoice, *begun.aggregates], envelope, side_rows=tuple(begun.side_rows)
        )
        return invoice

    def due_at(self, invoice: Invoice) -> datetime | None:
        """When a worker looks at its payment."""
        payment_id = payment_of_invoice(invoice.id, invoice.period_end)
        rows = [
            row
            for row in self.world.store.side_rows
            if isinstance(row, StoredDeadline) and row.subject_id == payment_id
        ]
        return rows[-1].due_at if rows else None

    async def worker_steps(self, invoice: Invoice) -> int:
        """All that is due now, step by step."""
        steps = 0
        while (due_at := self.due_at(invoice)) is not None and due_at <= self.world.clock.now():
            await self.worker_step(invoice)
            steps += 1
        return steps

    async def worker_step(self, invoice: Invoice) -> None:
        command = CollectPayment(payment_of_invoice(invoice.id, invoice.period_end))
        caller = Caller("worker:1", self.tenant_id, COLLECTS)
        await self.world.when(command, caller=caller)

    async def days_later(self, days: float, invoice: Invoice) -> int:
        self.world.clock.pass_time(days=days)
        return await self.worker_steps(invoice)

    async def invoice(self, invoice: Invoice) -> Invoice:
        found = await self.world.store.load(Invoice, invoice.id, self.tenant_id)
        assert found is not None
        return found

    async def payment(self, invoice: Invoice) -> Payment:
        payment_id = payment_of_invoice(invoice.id, invoice.period_end)
        found = await self.world.store.load(Payment, payment_id, self.tenant_id)
        assert found is not None
        return found

    async def account(self) -> PaymentAccount | None:
        stream_id = payment_account_id(self.tenant_id)
        return await self.world.store.load(PaymentAccount, stream_id, self.tenant_id)

    async def standing(self) -> str:
        found = await self.world.store.load(Tenant, self.tenant_id, self.tenant_id)
        assert found is not None
        return found.standing

    @property
    def mails(self) -> list[str]:
        return [mail.text for mail in self.world.mailbox.mails]
