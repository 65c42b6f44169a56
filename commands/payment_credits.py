"""Money that no invoice claims: it is the tenant's, and the next invoices burn it."""

import logging
from decimal import Decimal
from fractions import Fraction

from commands.credits import credit_account, credit_deadline
from commands.deadline_port import StoredDeadline
from commands.decisions import Tenancy
from domain.credits import CreditAccount, TooManyGrants, credit_account_id
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.payments import Payment

# Before what was given away: it was paid for, and never expires.
PRIORITY = 100

log = logging.getLogger(__name__)


async def surplus_credited(
    payment: Payment, invoice: Invoice | None, surplus: Decimal, on: Tenancy
) -> tuple[CreditAccount, StoredDeadline] | None:
    """surplus: in the currency of the payment, worth what the invoice says a USD is. None: the
    tenant has as many grants as there can be; the payment still says what was received.
    """
    rate = Fraction(1) if invoice is None else Fraction(str(invoice.document["usd_rate"]))
    amount_pico = int(Fraction(surplus) / rate * PICO_PER_USD)
    account = await credit_account(on) or on.begin(CreditAccount, credit_account_id(on.tenant_id))
    try:
        account.grant(
            str(on.ports.ids.new()),
            amount_pico,
            source="purchased",
            description=f"payment {payment.id}",
            priority=PRIORITY,
            effective_at=on.ports.clock.now(),
            expires_at=None,
            scope=None,
        )
    except TooManyGrants:
        log.error("payment %s: %s %s are not credited", payment.id, surplus, payment.currency)  # noqa: TRY400 # the reason is in the words
        return None
    return account, credit_deadline(account)
