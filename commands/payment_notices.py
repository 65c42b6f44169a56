"""What the administrators of a tenant are written about its payments."""

from collections.abc import Sequence
from datetime import datetime

from commands.administrator_mail import mail_to_administrators
from commands.decisions import Tenancy
from commands.mail_port import QueuedMail
from commands.payment_port import Received
from domain.payments import Payment

RECEIVED = """\
We received your payment of {amount} for {what}. Thank you.

Payment: {payment_id}
Reference: {reference}
"""
FAILED = """\
Your payment of {amount} for {what} failed: {code}.

It is tried again on {retry_on}. You can also pay now, with another card if you like: ask for a
page with POST /api/v1/payments/checkout and {subject}.

Payment: {payment_id}
"""
ABANDONED = """\
Your payment of {amount} for {what} failed again: {code}. It is not tried any more.

Until it is paid your tenant can read, and change nothing; its runs stand still. To pay, ask for a
page with POST /api/v1/payments/checkout and {subject}.
Everything goes on as soon as it is paid.

Payment: {payment_id}
"""


async def received_notices(
    payment: Payment, what: str, money: Received, on: Tenancy
) -> Sequence[QueuedMail]:
    text = RECEIVED.format(
        amount=f"{money.amount} {payment.currency}",
        what=what,
        payment_id=payment.id,
        reference=money.reference,
    )
    return await mail_to_administrators(on.ports, on.tenant_id, "We received your payment", text)


async def failed_notices(
    payment: Payment, what: str, code: str, on: Tenancy
) -> Sequence[QueuedMail]:
    """payment: as it is after the failure."""
    text = ABANDONED if payment.retry_at is None else FAILED
    told = text.format(
        amount=f"{payment.attempted_amount} {payment.currency}",
        what=what,
        code=code,
        retry_on=_day(payment.retry_at),
        subject=f'{{"invoice_id": "{payment.invoice_id}", ...}}',
        payment_id=payment.id,
    )
    return await mail_to_administrators(on.ports, on.tenant_id, "Your payment failed", told)


def _day(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d}"
