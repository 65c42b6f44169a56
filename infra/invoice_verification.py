"""The checks of `agentledger verify` on invoices: each one is made again from the log, byte for
byte; no fact is lost between two of them or on both; and no number is missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, LiteralString, cast
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from commands.sealing_port import KeyDestroyed
from domain.billing_accounts import BillingAccount
from domain.billing_periods import Period
from domain.charges import Charge
from domain.currencies import smallest_of
from domain.identifiers import JsonObject, TenantId
from domain.invoice_charges import usage_charges
from domain.invoice_documents import (
    Heading,
    build_document,
    canonical,
    content_sha256,
)
from domain.invoice_facts import BEGINNING, GatheredFacts, Place, Pool
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from infra.billing_facts import IN_ORDER, FactReader, FactRow
from infra.event_codec import decode
from infra.event_log import COLUMNS, Row, logged_event
from infra.event_sealing import OpenEvents, is_erased
from infra.verification import IS_ERASED, Check

# What is on an invoice for facts; all else it is charged for is taken as it stands.
OF_FACTS = frozenset({"usage", "included", "adjustment"})

# fmt: off
BILLED_TENANTS: LiteralString = (
    "SELECT DISTINCT tenant_id FROM events WHERE topic = 'billing_account.billing_started'"
    " AND NOT tenant_id" + IS_ERASED + " ORDER BY tenant_id"
)
BILLING: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE tenant_id = %s AND topic = ANY(%s)"
    " ORDER BY events.era, events.tx_id, events.notification_id"
)
NUMBERS: LiteralString = "SELECT count(*) FROM issued_documents"
GAPS: LiteralString = (
    "SELECT tenant_id, series || ' numbers up to ' || max(number) || ', but ' || count(*)"
    " FROM issued_documents GROUP BY tenant_id, series HAVING max(number) <> count(*)"
)
COPY: LiteralString = (
    "SELECT encode(content_sha256, 'hex') FROM issued_documents"
    " WHERE customer_id = %s AND invoice_id = %s AND series = 'invoice'"
)
# fmt: on


@dataclass
class _Billed:
    """What is known of one tenant. documents: by invoice, with the hash that was stored."""

    starts_at: datetime | None = None
    closings: list[BillingAccount.PeriodClosed] = field(
        default_factory=list[BillingAccount.PeriodClosed]
    )
    documents: dict[str, tuple[JsonObject, str]] = field(
        default_factory=dict[str, tuple[JsonObject, str]]
    )


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
    async def rows_of(_: TenantId, query: LiteralString, asked: Sequence[object]) -> list[Row]:
        cursor = conn.cursor(binary=True)
        await cursor.execute(query, asked, prepare=True)
        return await cursor.fetchall()

    async def read(_: TenantId, query: LiteralString, asked: Sequence[object]) -> Sequence[FactRow]:
        async with conn.transaction():
            await conn.execute(IN_ORDER)
            rows = await rows_of(tenant_id, "SELECT " + COLUMNS + query, asked)
        events = await open_events([logged_event(row) for row in rows])
        if any(is_erased(event) for event in events):
            raise KeyDestroyed
        return [
            FactRow(
                *event.position,
                event.stream_id,
                event.version,
                event.topic,
                event.state,
                event.recorded_at,
            )
            for event in events
        ]

    reader = FactReader(read)
    billed = await _billed(tenant_id, rows_of, open_events)
    periods: list[Period] = []
    read_from = billed_to = BEGINNING
    for closing in billed.closings:
        start = periods[-1].end if periods else billed.starts_at
        assert start is not None
        periods.append(Period(start, datetime.fromisoformat(closing.period_end)))
        document, sha256 = billed.documents[closing.invoice_id]
        closed_to = _place(closing.closed_to)
        gathered = GatheredFacts([*periods], billed_to, _pools(document))
        async for page in reader.facts(tenant_id, after=read_from, before=closed_to):
            gathered.take(page)
        same.checked += 1
        number = document["number"]
        if content_sha256(document) != sha256:
            same.violated(f"{number} of {tenant_id}: its hash is of something else")
        elif canonical(_made_again(document, periods[-1], gathered)) != canonical(document):
            same.violated(f"{number} of {tenant_id}: the log says something else")
        await _compare_copy(conn, tenant_id, closing.invoice_id, sha256=sha256, same=same)
        read_from, billed_to = _place(closing.next_from), closed_to
    if periods:
        await _verify_conserved(
            reader, tenant_id, periods, closed_to=billed_to, billed=billed, once=once
        )


async def _verify_conserved(
    reader: FactReader,
    tenant_id: TenantId,
    periods: Sequence[Period],
    *,
    closed_to: Place,
    billed: _Billed,
    once: Check,
) -> None:
    """All facts there were, read in one go: as many as the invoices say together, for as much."""
    count, cost = 0, 0
    async for page in reader.facts(tenant_id, after=BEGINNING, before=closed_to):
        for fact in page:
            if fact.lines is not None and periods[0].start <= fact.happened_at < periods[-1].end:
                count += 1
                cost += sum(line[2] or 0 for line in fact.lines)
    documents = [
        cast("dict[str, Any]", billed.documents[closing.invoice_id][0])
        for closing in billed.closings
    ]
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
    once.checked += count
    if count != told:
        once.violated(f"{tenant_id}: {count} facts are in the log, {told} on invoices")
    if charged != Fraction(cost, PICO_PER_USD):
        once.violated(f"{tenant_id}: facts cost {cost} pico-USD, invoices say {charged} USD")


def _gives_back(line: dict[str, Any]) -> bool:
    return line["kind"] == "included" or "/included/" in line["key"]


async def _compare_copy(
    conn: AsyncConnection, tenant_id: TenantId, invoice_id: str, *, sha256: str, same: Check
) -> None:
    row = await (await conn.execute(COPY, (tenant_id, UUID(invoice_id)))).fetchone()
    if row is None or row[0] != sha256:
        same.violated(f"invoice {invoice_id}: its issuer keeps something else")


def _made_again(document: JsonObject, period: Period, gathered: GatheredFacts) -> JsonObject:
    """With the facts of the log; what is not of facts as it stands in the document."""
    told = cast("dict[str, Any]", document)
    charges = [
        *usage_charges(gathered),
        *(_charge(line) for line in told["lines"] if line["kind"] not in OF_FACTS),
    ]
    currency = told["currency"]
    heading = Heading(
        number=told["number"],
        invoice_id=told["invoice_id"],
        issuer=told["issuer"],
        customer=told["customer"],
        period=period,
        time_zone=told["time_zone"],
        finalized_at=datetime.fromisoformat(told["finalized_at"]),
        currency=currency,
        usd_rate=told["usd_rate"],
        taxes=told["tax_percents"],
        payment_terms_days=told["payment_terms_days"],
        balance_before=smallest_of(told["balance_before"], currency),
        read_from=_place(told["facts"]["read_from"]),
        billed_to=_place(told["facts"]["billed_to"]),
        closed_to=_place(told["facts"]["closed_to"]),
    )
    paid = smallest_of(told["credits"], currency)
    made, _ = build_document(heading, charges, gathered, lambda _: paid)
    return {**made, "made_of": told["made_of"]} if "made_of" in told else made


def _charge(line: dict[str, Any]) -> Charge:
    return Charge(
        line["kind"],
        line["key"],
        line["description"],
        Fraction(line["quantity"]),
        line["unit"],
        Fraction(line["usd"]),
        datetime.fromisoformat(line["start"]),
        datetime.fromisoformat(line["end"]),
    )


def _pools(document: JsonObject) -> dict[datetime, dict[Pool, Fraction]]:
    pools: dict[datetime, dict[Pool, Fraction]] = {}
    for one in cast("list[dict[str, Any]]", document["included"]):
        of_period = pools.setdefault(datetime.fromisoformat(one["start"]), {})
        of_period[one["meter"], one["model"]] = Fraction(one["quantity"])
    return pools


async def _billed(
    tenant_id: TenantId,
    rows_of: Callable[..., Any],
    open_events: OpenEvents,
) -> _Billed:
    topics = [
        BillingAccount.BillingStarted.TOPIC,
        BillingAccount.PeriodClosed.TOPIC,
        Invoice.Finalized.TOPIC,
    ]
    rows: list[Row] = await rows_of(tenant_id, BILLING, (tenant_id, topics))
    events: Sequence[LoggedEvent] = await open_events([logged_event(row) for row in rows])
    billed = _Billed()
    for event in events:
        match decode(event):
            case BillingAccount.BillingStarted() as fact:
                billed.starts_at = datetime.fromisoformat(fact.starts_at)
            case BillingAccount.PeriodClosed() as fact:
                billed.closings.append(fact)
            case Invoice.Finalized() as fact:
                billed.documents[str(event.stream_id)] = (fact.document, fact.content_sha256)
            case _:
                pass
    return billed


def _place(numbers: list[int]) -> Place:
    era, tx_id, notification_id = numbers
    return era, tx_id, notification_id
