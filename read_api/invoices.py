"""Invoices, their lines, and below each line the facts that it is made of: down to the event that
caused each cent.
"""

from typing import Any, LiteralString

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import Relation, column, relation
from read_api.connections import (
    Connection,
    Edge,
    Listing,
    connection,
    read_one,
    read_page,
    uuid_or_nobody,
)
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json
from read_api.usage_facts import FACT, UsageFact, cursor_of_fact, fact_of, place_in

# fmt: off
LINES: LiteralString = (
    "(SELECT o.invoice_id, o.facts, t.* FROM invoices_v2 AS o CROSS JOIN LATERAL"
    "  json_to_recordset(o.lines) AS t(line int, kind text, key text, description text,"
    "   quantity text, unit text, usd text, amount text, tax_percent text, tax text,"
    '   start timestamptz, "end" timestamptz, model text, meter text, price text)) AS l'
)
# Behind billed_to lies what no earlier invoice has; before closed_to what was known for this one.
BEHIND: LiteralString = (
    "(v.era, v.tx_id, v.notification_id) > ((l.facts->'billed_to'->>0)::smallint,"
    " (l.facts->'billed_to'->>1)::xid8, (l.facts->'billed_to'->>2)::bigint)"
)
BEFORE: LiteralString = (
    "(v.era, v.tx_id, v.notification_id) < ((l.facts->'closed_to'->>0)::smallint,"
    " (l.facts->'closed_to'->>1)::xid8, (l.facts->'closed_to'->>2)::bigint)"
)
FACTS: LiteralString = (
    "SELECT json_agg(" + FACT + " ORDER BY u.happened_at, u.stream_id, u.path, u.attempt)"
    " FROM (SELECT u.* FROM " + LINES
    + '   JOIN usage_facts_v2 AS u ON u.happened_at >= l.start AND u.happened_at < l."end"'
    "    AND u.model = l.model"
    "    AND EXISTS (SELECT FROM json_array_elements(u.lines) AS m(line)"
    "      WHERE m.line->>0 = l.meter AND m.line->>2 IS NOT NULL"
    # Of a price over a period all facts with it: which tier one is in depends on the others.
    "        AND m.line->3->>'id' IS NOT DISTINCT FROM l.price)"
    "   JOIN events AS v ON v.originator_id = u.stream_id AND v.originator_version = u.version"
    "  WHERE l.invoice_id = ($1->>'id')::uuid AND l.line = ($1->>'line')::int"
    "    AND " + BEFORE + " AND (l.kind = 'usage' OR " + BEHIND + ")"
    "    AND ($1->'after' IS NULL OR (u.happened_at, u.stream_id, u.path, u.attempt)"
    "      > (($1->'after'->>0)::timestamptz, ($1->'after'->>1)::uuid, $1->'after'->>2,"
    "         ($1->'after'->>3)::int))"
    "  ORDER BY u.happened_at, u.stream_id, u.path, u.attempt"
    "  LIMIT ($1->>'first')::int + 1) AS u"
)
# fmt: on
NOTES: LiteralString = (
    "(SELECT o.invoice_id, t.* FROM invoices_v2 AS o CROSS JOIN LATERAL"
    "  json_to_recordset(o.credit_notes) AS t(number text, issued_at timestamptz, reason text,"
    "   currency text, total text, tax text, owed text, credits text, carried_over text,"
    "   content_sha256 text, lines json)) AS k"
)
NOTE_LINES: LiteralString = (
    "(SELECT k.invoice_id, k.number, t.* FROM " + NOTES + " CROSS JOIN LATERAL"
    "  json_to_recordset(k.lines) AS t(line int, description text, amount text,"
    "   tax_percent text, tax text)) AS q"
)
LINE_RELATION = Relation(
    outer="i",
    key="invoice_id",
    alias="l",
    rows=LINES + " WHERE l.invoice_id = i.invoice_id",
    order="l.line",
    count_max="1000",
)
NOTE_RELATION = Relation(
    outer="i",
    key="invoice_id",
    alias="k",
    rows=NOTES + " WHERE k.invoice_id = i.invoice_id",
    order="k.number",
    count_max="1000",
)
# Of all notes of an invoice.
NOTE_LINE_RELATION = Relation(
    outer="i",
    key="invoice_id",
    alias="q",
    rows=NOTE_LINES + " WHERE q.invoice_id = i.invoice_id",
    order="q.number, q.line",
    count_max="100000",
)
INVOICES = Listing("Invoice", "i", "invoices_v2 AS i", "invoice_id")


@strawberry.type(description="One line of an invoice, rounded once.")
class InvoiceLine:
    invoice_id: strawberry.ID = column("l.invoice_id")
    line: int = column("l.line", "Its number, from 1.")
    kind: str = column("l.kind")
    description: str = column("l.description")
    quantity: str = column("l.quantity", "Exact: a decimal, or a fraction such as 1/3.")
    unit: str = column("l.unit")
    usd: str = column("l.usd", "Exact, before it was rounded: a decimal, or a fraction.")
    amount: str = column("l.amount", "In the currency of the invoice, without tax.")
    tax_percent: str = column("l.tax_percent")
    tax: str = column("l.tax")
    period_start: Instant = column("l.start")
    period_end: Instant = column('l."end"')
    model: str | None = column("nullif(l.model, '')")
    meter: str | None = column("l.meter")

    @strawberry.field(
        description="Of a line of usage: the facts that it is made of. Lines of the tiers of one"
        " price are made of the same ones, for what is in a tier depends on all."
    )
    async def facts(
        self, info: ReadInfo, first: int | None = PAGE_SIZE_DEFAULT, after: str | None = None
    ) -> Connection[UsageFact]:
        size = min(first or PAGE_SIZE_DEFAULT, info.context.sources.limits.page_size_max)
        params: dict[str, object] = {
            "id": uuid_or_nobody(self.invoice_id),
            "line": self.line,
            "first": size,
        }
        if after is not None:
            params["after"] = [*place_in(after)]
        rows: list[dict[str, Any]] = await info.context.loaded(FACTS, params) or []
        edges = [Edge(cursor=cursor_of_fact(row), node=fact_of(**row)) for row in rows]
        return connection(edges, size=size, is_after=after is not None)


@strawberry.type(description="What a credit note gives back of one line of its invoice.")
class CreditNoteLine:
    credit_note: str = column("q.number", "Its number.")
    line: int = column("q.line", "Of the invoice.")
    description: str = column("q.description")
    amount: str = column("q.amount", "In the currency of the invoice, without tax.")
    tax_percent: str = column("q.tax_percent")
    tax: str = column("q.tax")


@strawberry.type(description="What was given back of an invoice; its document never changes.")
class CreditNote:
    invoice_id: strawberry.ID = column("k.invoice_id")
    number: str = column("k.number", "In the issuer's series of credit notes.")
    issued_at: Instant = column("k.issued_at")
    reason: str = column("k.reason")
    currency: str = column("k.currency")
    total: str = column("k.total", "With tax.")
    tax: str = column("k.tax")
    owed: str | None = column("k.owed", "What of it need not be paid, or is to be refunded.")
    credits: str | None = column("k.credits", "What of it went back to the credits that paid.")
    carried_over: str | None = column(
        "k.carried_over", "What of it earlier invoices had carried over, and is credit now."
    )
    content_sha256: str = column("k.content_sha256")

    @strawberry.field
    async def lines(self, info: ReadInfo) -> list[CreditNoteLine]:
        rows = await info.context.related(NOTE_LINE_RELATION, "CreditNoteLine", self.invoice_id)
        return [CreditNoteLine(**row) for row in rows if row["credit_note"] == self.number]


@strawberry.type(description="What is owed for one period; its document never changes.")
class Invoice:
    id: strawberry.ID = column("i.invoice_id")
    number: str | None = column("nullif(i.number, '')", "Null before it is finalised.")
    status: str = column(
        "i.status",
        "gathering, draft, finalized, issued, paid, past_due, uncollectible or void.",
    )
    period_start: Instant = column("i.period_start")
    period_end: Instant = column("i.period_end", "Exclusive.")
    time_zone: str = column("i.time_zone")
    grace_until: Instant | None = column("i.grace_until")
    finalized_at: Instant | None = column("i.finalized_at")
    due_at: Instant | None = column("i.due_at")
    currency: str | None = column("nullif(i.currency, '')")
    usd_rate: str | None = column("nullif(i.usd_rate, '')", "What one USD is of the currency.")
    issuer: Json | None = column("i.issuer", "As the document names it.")
    customer: Json | None = column("i.customer", "As the document names it.")
    subtotal: str | None = column("nullif(i.subtotal, '')")
    tax: str | None = column("nullif(i.tax, '')")
    taxes: Json = column("i.taxes", "By rate: {percent, of, tax}.")
    total: str | None = column("nullif(i.total, '')")
    balance_before: str | None = column(
        "nullif(i.balance_before, '')", "Carried over from earlier invoices."
    )
    credits: str | None = column("nullif(i.credits, '')", "Paid with credits.")
    credited: str | None = column(
        # Zero with as many digits as the currency has.
        "coalesce(nullif(i.credited, ''), (nullif(i.total, '')::numeric * 0)::text)",
        "Given back by credit notes; null before there is something to give back.",
    )
    amount_due: str | None = column("nullif(i.amount_due, '')")
    balance_after: str | None = column(
        "nullif(i.balance_after, '')", "Carried over to the next one."
    )
    facts_count: int | None = column("(i.facts->>'count')::int", "What it is made of.")
    held: int = column("i.held", "Calls of which nobody knew yet what they used.")
    has_unpriced: bool = column(
        "i.has_unpriced", "Something was used without a known price: listed, and not charged."
    )
    unpriced: Json = column("i.unpriced")
    content_sha256: str | None = column(
        "nullif(i.content_sha256, '')", "Of the document, as GET /api/v1/invoices has it."
    )

    @relation(LINE_RELATION)
    async def lines(self, info: ReadInfo) -> list[InvoiceLine]:
        rows = await info.context.related(LINE_RELATION, "InvoiceLine", self.id)
        return [InvoiceLine(**row) for row in rows]

    @relation(NOTE_RELATION, "In the order in which they were issued.")
    async def credit_notes(self, info: ReadInfo) -> list[CreditNote]:
        rows = await info.context.related(NOTE_RELATION, "CreditNote", self.id)
        return [CreditNote(**row) for row in rows]

    @strawberry.field(description="One of its lines, for who asks for its facts.")
    async def line(self, info: ReadInfo, number: int) -> InvoiceLine | None:
        rows = await info.context.related(LINE_RELATION, "InvoiceLine", self.id)
        return next((InvoiceLine(**row) for row in rows if row["line"] == number), None)


async def invoice(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Invoice | None:
    return await read_one(info, INVOICES, id_, Invoice)


async def invoices(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Invoice]:
    """The latest period first."""
    return await read_page(info, INVOICES, Invoice, first=first, after=after)
