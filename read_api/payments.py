"""What the tenant paid, or did not, and why. Nothing of what it paid with."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

PAYMENTS = Listing("Payment", "py", "payments_v1 AS py", "payment_id")


@strawberry.type(description="One thing that is paid: an invoice, or a plan that is bought.")
class Payment:
    id: strawberry.ID = column("py.payment_id")
    purpose: str = column("py.purpose", "invoice or plan.")
    invoice_id: strawberry.ID | None = column("py.invoice_id")
    plan_id: strawberry.ID | None = column("py.plan_id")
    status: str = column(
        "py.status", "pending, processing, failed, succeeded, cancelled or abandoned."
    )
    amount: str = column("py.amount", "All that is to be paid, in whole units of the currency.")
    currency: str = column("py.currency")
    received: str = column("py.received", "Until now.")
    refunded: str = column("py.refunded", "Of what was received.")
    provider: str | None = column("py.provider", "Of what was received last: stripe or manual.")
    reference: str | None = column("py.reference", "The provider's, of what was received last.")
    attempts: int = column("py.attempts", "Tries that a worker has made.")
    failure_code: str | None = column("py.failure_code", "Why the last try failed.")
    retry_at: Instant | None = column("py.retry_at", "When it is tried again.")
    paid_at: Instant | None = column("py.paid_at", "When all of it was.")
    created_at: Instant = column("py.created_at")
    updated_at: Instant = column("py.updated_at")


async def payments(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Payment]:
    return await read_page(info, PAYMENTS, Payment, first=first, after=after)
