"""The checks of `agentledger verify` on invoices: each one is made again from the log, byte for
byte; no fact is lost between two of them or on both; and no number is missing.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, LiteralString, cast
from uuid import UUID

from psycopg import AsyncConnection

from commands.invoice_writing import place_of
from commands.sealing_port import KeyDestroyed
from domain.billing_accounts import BillingAccount, billing_account_id
from domain.identifiers import JsonObject, TenantId
from domain.invoice_facts import BEGINNING, Fact, Place
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.period_prices import period_total
from infra.billing_facts import IN_ORDER, FactReader, FactRow
from infra.event_codec import decode
from infra.event_log import COLUMNS, Row, logged_event
from infra.event_sealing import OpenEvents, is_erased
from infra.invoice_replay import InvoiceReplay
from infra.stream_histories import StreamHistories
from infra.verification import IS_ERASED, Check

# What is on an invoice for facts.
OF_FACTS = frozenset({"usage", "included", "adjustment"})

# fmt: off
BILLED_TENANTS: LiteralString = (
    "SELECT DISTINCT tenant_id FROM events WHERE topic = 'billing_account.billing_started'"
    " AND NOT tenant_id" + IS_ERASED + " ORDER BY tenant_id"
)
FINALIZED: LiteralString = (
    "SELECT count(*) FROM events WHERE tenant_id = %s AND topic = 'invoice.finalized'"
)
NUMBERS: LiteralString = "SELECT count(*) FROM issued_documents"
GAPS: LiteralString = (
    "SELECT tenant_id, series || ' numbers up to ' || max(number) || ', but ' || count(*)"
    " FROM issued_documents GROUP BY tenant_id, series HAVING max(number) <> count(*)"
)
COPIES: LiteralString = (
    "SELECT encode(content_sha256, 'hex') FROM issued_documents"
    " WHERE customer_id = %s AND invoice_id = %s ORDER BY series DESC, number"
)
# fmt: on


@dataclass
class _Billed:
    """What is known of one tenant. documents: in the order of the closings; empty for none."""

    starts_at: datetime
    closings: list[BillingAccount.PeriodClosed] = field(
        default_factory=list[BillingAccount.PeriodClosed]
    )
    documents: list[JsonObject] = field(default_factory=list[JsonObject])


async def verify_invoices(
    conn: AsyncConnection, open_events: OpenEvents, progress: Callable[[str], None]
) -> list[Check]:
    """conn: autocommit, sees every tenant."""
    progress("every invoice is what the log says")
    same = Check("every finalised invoice is made again from the log")
    once = Check("every fact of a billed period is on one invoice")
    gaps = Check("numbers of invoices have no gap")
    rows = await (await conn.execute(BILLED_TENANTS)).fetchall()
    for (tenant_id,) in rows:
        await _verify_tenant(conn, open_events, TenantId(tenant_id), same=same, once=once)
    row = await (await conn.execute(NUMBERS)).fetchone()
    gaps.checked = int(row[0]) if row else 0
    async for issuer_id, what in await conn.execute(GAPS):
        gaps.violated(f"{issuer_id}: {what}")
    return [same, once, gaps]


async def _verify_tenant(
    conn: AsyncConnection, open_events: OpenEvents, tenant_id: TenantId, *, same: Check, once: Check
) -> None:
    reader = _reader(conn, open_events)
    histories = StreamHistories(conn, open_events)
    replay = InvoiceReplay(tenant_id, histories, reader)
    billed = await _billed(histories, tenant_id)
    row = await (await conn.execute(FINALIZED, (tenant_id,))).fetchone()
    if row is None or row[0] != len(billed.closings):
        same.violated(f"{tenant_id}: {len(billed.closings)} periods were closed, by {row} invoices")
    for closing, document in zip(billed.closings, billed.documents, strict=True):
        same.checked += 1
        async for mistake in replay.mistakes(closing):
            same.violated(f"{document.get('number')} of {tenant_id}: {mistake}")
        await _compare_copies(
            conn, tenant_id, UUID(closing.invoice_id), histories=histories, same=same
        )
    if billed.closings:
        await _verify_conserved(reader, tenant_id, billed, once=once)


def _reader(conn: AsyncConnection, open_events: OpenEvents) -> FactReader:
    async def read(_: TenantId, query: LiteralString, asked: Sequence[object]) -> Sequence[FactRow]:
        async with conn.transaction():
            await conn.execute(IN_ORDER)
            cursor = conn.cursor(binary=True)
            await cursor.execute("SELECT " + COLUMNS + query, asked, prepare=True)
            rows: list[Row] = await cursor.fetchall()
        events = await open_events([logged_event(row) for row in rows])
        if any(is_erased(event) for event in events):
            raise KeyDestroyed
        return [
            FactRow(
                *event.position,
                event.stream_id,
                event.version,
                event.topic,
                event.recorded_at,
                event.state,
            )
            for event in events
        ]

    return FactReader(read)


async def _verify_conserved(
    reader: FactReader, tenant_id: TenantId, billed: _Billed, *, once: Check
) -> None:
    """All facts there were, read in one go: as many as the invoices say together, for as much."""
    used = _Used([billed.starts_at, *(_ends_at(one) for one in billed.closings)])
    closed_to: Place = place_of(billed.closings[-1].closed_to)
    async for page in reader.facts(tenant_id, after=BEGINNING, before=closed_to):
        for fact in page:
            used.add(fact)
    count, cost = used.count, used.cost_usd_pico
    documents = [cast("dict[str, Any]", document) for document in billed.documents]
    try:
        told, charged = _said(documents)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        once.violated(f"{tenant_id}: a document cannot be read: {error}")
        return
    once.checked += count
    if count != told:
        once.violated(f"{tenant_id}: {count} facts are in the log, {told} on invoices")
    if charged != cost / PICO_PER_USD:
        once.violated(f"{tenant_id}: facts cost {cost} pico-USD, invoices say {charged} USD")


@dataclass
class _Used:
    """bounds: where each period begins, and the last one ends."""

    bounds: Sequence[datetime]
    count: int = 0
    _plain_usd_pico: int = 0
    # By period, model, meter and price over the period: that price, and how much.
    _sums: dict[tuple[int, str, str, str], tuple[Any, int]] = field(
        default_factory=dict[tuple[int, str, str, str], tuple[Any, int]]
    )

    def add(self, fact: Fact) -> None:
        if fact.lines is None or not self.bounds[0] <= fact.happened_at < self.bounds[-1]:
            return
        self.count += 1
        period = bisect_right(self.bounds, fact.happened_at)
        for meter, quantity, cost, *price in fact.lines:
            if price:
                key = (period, fact.model, meter, str(price[0]["id"]))
                self._sums[key] = (price[0], self._sums.get(key, (None, 0))[1] + quantity)
            else:
                self._plain_usd_pico += cost or 0

    @property
    def cost_usd_pico(self) -> Fraction:
        tiered = (period_total(price, quantity) for price, quantity in self._sums.values())
        return sum(tiered, Fraction(self._plain_usd_pico))


def _ends_at(closing: BillingAccount.PeriodClosed) -> datetime:
    return datetime.fromisoformat(closing.period_end)


def _said(documents: Sequence[dict[str, Any]]) -> tuple[int, Fraction]:
    """How many facts, and what they cost in USD before what was included is given back."""
    told = sum(document["facts"]["count"] for document in documents)
    charged = sum(
        (
            Fraction(line["usd"])
            for document in documents
            for line in document["lines"]
            if line["kind"] in OF_FACTS and not _gives_back(line)
        ),
        Fraction(0),
    )
    return told, charged


def _gives_back(line: dict[str, Any]) -> bool:
    return line["kind"] == "included" or "/included/" in line["key"]


async def _compare_copies(
    conn: AsyncConnection,
    tenant_id: TenantId,
    invoice_id: UUID,
    *,
    histories: StreamHistories,
    same: Check,
) -> None:
    """Of the invoice and its credit notes, in the order of their numbers."""
    stored = await (await conn.execute(COPIES, (tenant_id, invoice_id))).fetchall()
    facts = [decode(event) for event in await histories.events(invoice_id)]
    finalized = [one.content_sha256 for one in facts if isinstance(one, Invoice.Finalized)]
    notes = [one for one in facts if isinstance(one, Invoice.Credited)]
    notes.sort(key=lambda one: one.number)
    if [row[0] for row in stored] != [*finalized, *(one.content_sha256 for one in notes)]:
        same.violated(f"invoice {invoice_id} of {tenant_id}: its issuer keeps something else")


async def _billed(histories: StreamHistories, tenant_id: TenantId) -> _Billed:
    facts = [decode(one) for one in await histories.events(billing_account_id(tenant_id))]
    started = next(one for one in facts if isinstance(one, BillingAccount.BillingStarted))
    billed = _Billed(datetime.fromisoformat(started.starts_at))
    for closing in facts:
        if isinstance(closing, BillingAccount.PeriodClosed):
            billed.closings.append(closing)
            finalized = [
                fact
                for event in await histories.events(UUID(closing.invoice_id))
                if isinstance(fact := decode(event), Invoice.Finalized)
            ]
            billed.documents.append(finalized[0].document if finalized else {})
    return billed
