"""The invoice that is finalised next. It is no read model: whoever starts the read side says how it
is made (commands/upcoming_invoices.py), so that it is made in one way.
"""

from typing import Any, Self

import strawberry

from read_api.context import ReadInfo
from read_api.scalars import Instant, Json


@strawberry.type(description="One line of it, rounded once.")
class UpcomingInvoiceLine:
    line: int
    kind: str
    description: str
    quantity: str = strawberry.field(description="Exact: a decimal, or a fraction such as 1/3.")
    unit: str
    usd: str = strawberry.field(description="Exact, before it was rounded.")
    amount: str = strawberry.field(description="In the currency of the invoice, without tax.")
    tax_percent: str
    tax: str
    period_start: Instant
    period_end: Instant

    @classmethod
    def of(cls, line: dict[str, Any]) -> Self:
        told = ("line", "kind", "description", "quantity", "unit", "usd", "amount", "tax_percent")
        return cls(
            **{name: line[name] for name in told},
            tax=line["tax"],
            period_start=line["start"],
            period_end=line["end"],
        )


@strawberry.type(
    description="What the next invoice comes to with what is known now; nothing of it is stored."
)
class UpcomingInvoice:
    id: strawberry.ID = strawberry.field(description="Of the invoice that it becomes.")
    status: str = strawberry.field(description="gathering, or draft in its grace.")
    as_of: Instant = strawberry.field(description="What was known then.")
    finalized_from: Instant = strawberry.field(
        description="When it is finalised at the earliest; credits pay that count then."
    )
    period_start: Instant
    period_end: Instant = strawberry.field(description="Exclusive.")
    time_zone: str
    currency: str
    subtotal: str
    tax: str
    total: str
    balance_before: str = strawberry.field(description="Carried over from earlier invoices.")
    credits: str = strawberry.field(description="Would be paid with credits.")
    amount_due: str
    balance_after: str = strawberry.field(description="Would be carried over to the next one.")
    facts_count: int
    held: int = strawberry.field(description="Calls of which nobody knows yet what they used.")
    unpriced: Json = strawberry.field(description="Used without a known price, and not charged.")
    lines: list[UpcomingInvoiceLine]


async def upcoming_invoice(info: ReadInfo) -> UpcomingInvoice | None:
    """Null for a tenant that is not billed."""
    context = info.context
    told = await context.sources.upcoming_invoice(context.caller)
    if told is None:
        return None
    document = told["document"]
    money = ("subtotal", "tax", "total", "balance_before", "credits", "amount_due", "balance_after")
    return UpcomingInvoice(
        id=told["invoice_id"],
        status=told["status"],
        as_of=told["as_of"],
        finalized_from=told["finalized_from"],
        period_start=document["period"]["start"],
        period_end=document["period"]["end"],
        time_zone=document["time_zone"],
        currency=document["currency"],
        **{name: document[name] for name in money},
        facts_count=document["facts"]["count"],
        held=document["held"],
        unpriced=Json(document["unpriced"]),
        lines=[UpcomingInvoiceLine.of(line) for line in document["lines"]],
    )
