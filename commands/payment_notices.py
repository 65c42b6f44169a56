"""What the administrators of a tenant are written about its payments. Nothing in it lets anybody
pay, see or do anything without a credential.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from commands.decisions import Tenancy
from commands.mail_port import Mail, QueuedMail
from commands.payment_port import Received
from domain.identity import User
from domain.payments import Payment

# Of the administrators; nobody else would be told more by more of them.
RECIPIENTS_MAX = 20
LIFETIME = timedelta(days=3)

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
    return await _to_administrators("We received your payment", text, on)


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
    return await _to_administrators("Your payment failed", told, on)


async def _to_administrators(subject: str, text: str, on: Tenancy) -> Sequence[QueuedMail]:
    """None where nobody writes mails, or nobody is there to read them."""
    mailbox = on.ports.mailbox
    if mailbox is None:
        return ()
    expires_at = on.ports.clock.now() + LIFETIME
    user_ids = (await on.users.administrators(on.tenant_id))[:RECIPIENTS_MAX]
    users = await asyncio.gather(
        *(on.ports.events.load(User, user_id, on.tenant_id) for user_id in user_ids)
    )
    queued: list[QueuedMail] = []
    for user in users:
        if user is None:
            continue
        on.keep(user)
        if not user.is_erased:
            mail = Mail(user.email, subject, text)
            queued.append(
                await mailbox.queued(on.tenant_id, mail, user_id=user.id, expires_at=expires_at)
            )
    return queued


def _day(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d}"
