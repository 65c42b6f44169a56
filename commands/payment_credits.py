"""Money that no invoice claims: it is the tenant's, and the next invoices burn it."""

import logging
from decimal import Decimal
from fractions import Fraction

from commands.credits import credit_account, credit_deadline, money_credited
from commands.deadline_port import StoredDeadline
from commands.decisions import Tenancy
from domain.credits import CreditAccount, TooManyGrants
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.payments import Payment

log = logging.getLogger(__name__)


async def surplus_credited(
    payment: Payment, invoice: Invoice | None, surplus: Decimal, on: Tenancy
) -> tuple[CreditAccount, StoredDeadline] | None:
    """surplus: in the currency of the payment, worth what the invoice says a USD is. None: it is
    worth nothing, or the tenant has as many grants as there can be; the payment still says what was
    received.
    """
    rate = Fraction(1) if invoice is None else Fraction(str(invoice.document["usd_rate"]))
    amount_pico = int(Fraction(surplus) / rate * PICO_PER_USD)
    try:
        account = money_credited(await credit_account(on), amount_pico, f"payment {payment.id}", on)
    except TooManyGrants:
        log.error("payment %s: %s %s are not credited", payment.id, surplus, payment.currency)  # noqa: TRY400 # the reason is in the words
        return None
    return None if account is None else (account, credit_deadline(account))
