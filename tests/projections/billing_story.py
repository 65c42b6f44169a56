"""A tenant that is billed while everything happens to it that may: what it used comes twice, late
or too early, workers and projectors die, credits are given and taken back. Beside it a plain list
of what was used, to which all of it has to come in the end.
"""

import random
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from commands.authorization import Caller
from commands.billing_accounts import SetBillingTerms
from commands.credits import GrantCredits
from commands.decisions import Tenancy
from commands.invoices import CreditInvoice, VoidInvoice
from commands.plans import CreatePlan
from commands.price_books import PublishPrices
from commands.subscriptions import Subscribe
from commands.upcoming_invoices import upcoming_invoice
from commands.usage_events import SendUsageEvents, SentEvent
from domain.billing_accounts import BillingAccount, billing_account_id
from domain.credits import CreditAccount, credit_account_id
from domain.errors import DomainError
from domain.identifiers import TenantId
from domain.invoice_documents import canonical
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.usage_events import UsageEventConflict
from infra.invoice_verification import verify_invoices
from projections.credits import CREDIT_ENTRIES, CREDIT_GRANTS
from projections.invoices import INVOICES
from projections.rebuild import rebuild
from projections.usage import USAGE_FACTS
from tests.commands.billing_steps import DEATHS, Died, dying_at
from tests.commands.fakes import NOON
from tests.infra.billing_steps import Installation
from tests.projections.histories import USAGE, Stream, an_execution, completed, started
from tests.projections.ledger import Ledger, batches
from tests.projections.test_usage import RESOLVED, resolved, unresolved

READ_MODELS = (USAGE_FACTS, INVOICES, CREDIT_GRANTS, CREDIT_ENTRIES)
DAY = timedelta(days=1)
# Of a page, so that no sum of them is round.
PAGE_PICO = 13_000_000_007

# A step is its name and two small numbers, whatever they mean to it: so histories shrink.
Name: TypeAlias = Literal[
    "send",
    "again",
    "other",
    "ran",
    "lost",
    "known",
    "pass",
    "die",
    "deliver",
    "rebuild",
    "grant",
    "note",
    "void",
    "reprice",
]
NAMES: tuple[Name, ...] = get_args(Name)
Step: TypeAlias = tuple[Name, int, int]
PLAN: Any = {
    "interval": "month",
    "recurring_usd": "7",
    "minimum_usd": "1",
    "trial_days": 0,
    "included": [
        {"meter": "pages", "model": "*", "quantity": 5},
        {"meter": "scans", "model": "*", "quantity": 4},
    ],
}
# Of stamps each ten that are begun; of scans the first ten at more than all others, and a fee for
# these. Both are of a period; prices of scans change.
STAMPS_PICO = 17_000_000_003
SCAN_PICO = (11_000_000_001, 12_000_000_011)
SCANS_FEE_PICO = 3 * 10**12


def prices(number: int) -> dict[str, Any]:
    tiers = [[10, SCAN_PICO[number % 2], 1], [None, SCAN_PICO[number % 2], 3, SCANS_FEE_PICO]]
    return {
        "meter/*": {
            "pages": {"kind": "unit", "usd_pico": PAGE_PICO, "per": 1},
            "stamps": {"kind": "package", "usd_pico": STAMPS_PICO, "size": 10, "over": "period"},
            "scans": {"kind": "graduated", "tiers": tiers, "over": "period"},
            "letters": {"kind": "unit", "usd_pico": number, "per": 1},
        }
    }


def stamps_cost(quantity: int, _: int) -> Fraction:
    return Fraction(-(-quantity // 10) * STAMPS_PICO)


def scans_cost(quantity: int, number: int) -> Fraction:
    """number: of the version that said the price first."""
    of_scan = SCAN_PICO[number]
    if quantity <= 10:
        return Fraction(quantity * of_scan)
    return 10 * of_scan + Fraction((quantity - 10) * of_scan, 3) + SCANS_FEE_PICO


@dataclass
class Used:
    """One fact. cost_pico: None has no price. meter: where the price is over a period."""

    happened_at: datetime
    cost_pico: int | None
    meter: str = ""
    quantity: int = 0
    price: int = 0


@dataclass
class BillingStory:
    """used: as far as it is known. documents: of invoices, as they were first seen."""

    ledger: Ledger
    installation: Installation
    tenant_id: TenantId
    used: list[Used] = field(default_factory=list[Used])
    sent: list[SentEvent] = field(default_factory=list[SentEvent])
    lost: list[Stream] = field(default_factory=list[Stream])
    documents: dict[UUID, bytes] = field(default_factory=dict[UUID, bytes])
    repriced: list[datetime] = field(default_factory=list[datetime])

    @classmethod
    async def begun(cls, ledger: Ledger, installation: Installation) -> "BillingStory":
        """Prices are older than what may be used."""
        installation.clock.time = NOON - 400 * DAY
        tenant_id = await installation.tenant()
        await installation.done(PublishPrices(tenant_id, prices(0)))
        installation.clock.time = NOON
        terms = SetBillingTerms(tenant_id, "EUR", "0.9", None, {"default": "19"}, 14, 60)
        await installation.done(terms)
        made = await installation.done(CreatePlan("Team", {}, is_for_resellers=False, terms=PLAN))
        await installation.done(Subscribe(tenant_id, UUID(made["plan_id"])))
        return cls(ledger, installation, tenant_id)

    @property
    def now(self) -> datetime:
        return self.installation.clock.time

    async def when(self, steps: list[Step]) -> None:
        for name, one, other in steps:
            await getattr(self, f"_{name}")(one, other)
            await self._look_at_documents()

    async def _send(self, one: int, other: int) -> None:
        """Up to 40 days ago, or in the next minutes; every fourth has no price, and of the others
        two of three have one over a period.
        """
        happened_at = self.now + timedelta(minutes=other) - (other % 5) * 10 * DAY
        happened_at = min(happened_at, self.now + timedelta(minutes=4))
        meter = "sheets" if one % 4 == 3 else ("pages", "stamps", "scans")[(one + other) % 3]
        number = str(len(self.sent))
        event = SentEvent("/p", number, meter, None, happened_at, {"quantity": one})
        self.sent.append(event)
        await self._tell(event)
        if meter in ("stamps", "scans"):
            number = sum(since <= happened_at for since in self.repriced)
            price = number // 2 % 2 if meter == "scans" else 0
            self.used.append(Used(happened_at, 0, meter, one, price))
        else:
            self.used.append(Used(happened_at, None if meter == "sheets" else one * PAGE_PICO))

    async def _reprice(self, _one: int, _other: int) -> None:
        """Every second time of something that nobody uses."""
        self.repriced.append(self.now)
        told = prices(len(self.repriced) // 2)
        await self.installation.done(PublishPrices(self.tenant_id, told))

    async def _again(self, one: int, other: int) -> None:
        for event in self._some(self.sent, one):
            for _ in range(1 + other % 2):
                await self._tell(event)

    async def _other(self, one: int, _other: int) -> None:
        for event in self._some(self.sent, one):
            with suppress(UsageEventConflict):
                await self._tell(
                    SentEvent("/p", event.id, event.type, None, event.time, {"quantity": 99})
                )
                raise AssertionError("the same id with another payload was taken")

    async def _tell(self, event: SentEvent) -> None:
        caller = Caller("api_key:1", self.tenant_id, frozenset({"usage:write"}))
        await self.installation.done(SendUsageEvents([event]), caller)

    async def _ran(self, one: int, other: int) -> None:
        run = completed(started(an_execution(self.tenant_id), "draft"), "draft")
        happened_at = await self._recorded(run, one, other)
        self.used.append(Used(happened_at, USAGE["cost_usd_pico"]))  # type: ignore[arg-type]

    async def _lost(self, one: int, other: int) -> None:
        run = unresolved(started(an_execution(self.tenant_id), "draft"), "draft")
        await self._recorded(run, one, other)
        self.lost.append(run)

    async def _known(self, one: int, _other: int) -> None:
        for run in self._some(self.lost, one):
            self.lost.remove(run)
            happened_at = run.events[-1].recorded_at
            resolved(run, "draft")
            await self.ledger.append([run.events[-1]._replace(recorded_at=self.now)])
            self.used.append(Used(happened_at, RESOLVED["cost_usd_pico"]))  # type: ignore[arg-type]

    async def _recorded(self, run: Stream, one: int, other: int) -> datetime:
        """As if the clock of the database had said so: now, or some days ago or ahead."""
        recorded_at = self.now + (one % 7 - 3) * 5 * DAY + timedelta(seconds=other)
        run.events[:] = [event._replace(recorded_at=recorded_at) for event in run.events]
        await self.ledger.append(run.events)
        return recorded_at

    async def _pass(self, one: int, _other: int) -> None:
        await self.installation.until(self.now + (one % 4) * 11 * DAY)

    async def _die(self, one: int, other: int) -> None:
        """A worker dies in the middle of what is due; its lease runs out, and another goes on."""
        self.installation.clock.time = self.now + (other % 4) * 11 * DAY
        saga = await self.installation.saga()
        with dying_at(DEATHS[one % len(DEATHS)]), suppress(Died):
            while await saga.work_once():
                pass
        await self.ledger.fetch("UPDATE billing_timers SET leased_until = '-infinity'")
        await self.installation.until(self.now)

    async def _deliver(self, one: int, other: int) -> None:
        """A new projector gets again what was applied, and the partitions in any order."""
        draw = random.Random(one * 100 + other)
        events = await self.ledger.opened(await self.ledger.log())
        projector = await self.ledger.projector(READ_MODELS)
        for end in (draw.randrange(len(events) + 1), len(events)):
            parts = batches(events[:end])
            draw.shuffle(parts)
            for part in parts:
                await projector.handle([part])

    async def _rebuild(self, one: int, other: int) -> None:
        await self._deliver(one, other)
        model = READ_MODELS[one % len(READ_MODELS)]
        await rebuild(model, self.ledger.connect, self.ledger.opened)

    async def _grant(self, one: int, other: int) -> None:
        ends = self.now + (1 + other) * DAY if other % 2 else None
        grant = GrantCredits(
            self.tenant_id, str((one + 1) * Decimal("1.7")), "promotional", expires_at=ends
        )
        await self.installation.done(grant)

    async def _note(self, one: int, other: int) -> None:
        """Of a whole invoice, or a cent of its first line; some invoices are of nothing."""
        for invoice in self._some(await self.invoices(), one):
            amounts = [(1, "0.01")] if other % 2 else []
            with suppress(DomainError):
                await self.installation.done(
                    CreditInvoice(self.tenant_id, invoice.id, "outage", amounts)
                )

    async def _void(self, one: int, _other: int) -> None:
        for invoice in self._some(await self.invoices(), one):
            with suppress(DomainError):
                await self.installation.done(VoidInvoice(self.tenant_id, invoice.id, "wrong"))

    @staticmethod
    def _some(known: list[Any], one: int) -> list[Any]:
        return [known[one % len(known)]] if known else []

    async def invoices(self) -> list[Invoice]:
        """That were finalised, in their order."""
        account = await self._loaded(BillingAccount, billing_account_id(self.tenant_id))
        return [await self.installation.invoice(self.tenant_id, one) for one, _ in account.periods]

    async def _loaded(self, kind: Any, stream_id: UUID) -> Any:
        return await self.installation.parts.store.load(kind, stream_id, self.tenant_id)

    async def _look_at_documents(self) -> None:
        for invoice in await self.invoices():
            written = canonical(invoice.document)
            assert self.documents.setdefault(invoice.id, written) == written

    async def require_everything_holds(self) -> None:
        await self._deliver(1, 1)
        await self._require_conserved()
        await self._require_credits_sum_to_zero()
        await self._require_read_models()
        checks = await verify_invoices(self.ledger.owner, self.ledger.opened, lambda _: None)
        assert [one for check in checks for one in check.violations] == []

    async def _require_conserved(self) -> None:
        """Facts are invoice lines, adjustments, and what is unbilled yet."""
        operator = Tenancy(self.installation.ports, self.installation.operator, self.tenant_id)
        upcoming: Any = (await upcoming_invoice(operator))["document"]
        documents: list[Any] = [*(one.document for one in await self.invoices()), upcoming]
        charged = sum(
            Fraction(line["usd"])
            for document in documents
            for line in document["lines"]
            if line["kind"] in ("usage", "adjustment") and "/included/" not in line["key"]
        )
        end = datetime.fromisoformat(upcoming["period"]["end"])
        facts = [one for one in self.used if NOON <= one.happened_at < end]
        cost = sum(one.cost_pico or 0 for one in facts) + await self._of_periods(facts)
        assert charged == Fraction(cost) / PICO_PER_USD
        assert sum(document["facts"]["count"] for document in documents) == len(facts)
        unpriced = sum(one["facts"] for document in documents for one in document["unpriced"])
        assert unpriced == sum(one.cost_pico is None for one in facts)

    async def _of_periods(self, facts: list[Used]) -> Fraction:
        account = await self._loaded(BillingAccount, billing_account_id(self.tenant_id))
        ends = [end for _, end in account.periods]
        sums: dict[tuple[int, str, int], int] = {}
        for one in facts:
            if one.meter:
                key = (bisect_right(ends, one.happened_at), one.meter, one.price)
                sums[key] = sums.get(key, 0) + one.quantity
        cost_of = {"stamps": stamps_cost, "scans": scans_cost}
        return sum(
            (cost_of[meter](quantity, price) for (_, meter, price), quantity in sums.items()),
            Fraction(0),
        )

    async def _require_credits_sum_to_zero(self) -> None:
        account: CreditAccount | None = await self._loaded(
            CreditAccount, credit_account_id(self.tenant_id)
        )
        if account is None:
            return
        assert sum(account.balances.values()) == 0
        assert all(left >= 0 for name, left in account.balances.items() if name != "issued")
        for invoice in await self.invoices():
            if invoice.status == "void":
                assert account.balances.get(f"consumed:{invoice.id}", 0) == 0

    async def _require_read_models(self) -> None:
        violations = await self.ledger.violations(READ_MODELS)
        assert violations == [], violations
        counted = await self.ledger.scalar(
            "SELECT count(*) FROM usage_facts_v2 WHERE tenant_id = %s AND source <> 'unknown'",
            self.tenant_id,
        )
        assert counted == len(self.used)
