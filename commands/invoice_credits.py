"""What an invoice was paid with besides money, when it is credited or voided: credits go back to
the grants that burned for it, and what earlier invoices had carried over is credit from now on.
"""

from commands.credits import credit_account, credit_deadline, money_credited
from commands.decisions import Decided, Tenancy
from domain.credit_notes import GivenBack, burned_of, given_back
from domain.credits import CreditAccount
from domain.currencies import smallest_of, usd_of_smallest
from domain.invoices import Invoice
from domain.money import PICO_PER_USD

VOID = "void"


async def credited_back(
    invoice: Invoice, back: GivenBack, on: Tenancy, *, number: str
) -> Decided | None:
    """By the credit note of that number, as the last thing that was done with the invoice. None:
    there is nothing but money. Raises TooManyGrants.
    """
    if not back.credits and not back.carried_over:
        return None
    account = await credit_account(on)
    burn = None if account is None else account.burns.get(str(invoice.id))
    if account is not None and burn is not None and back.credits:
        paid_back = given_back(invoice.document, invoice.credited).credits
        until_now = burned_of(invoice.document, paid_back, burn.amount_pico)
        account.restore(
            str(invoice.id),
            reference=number,
            amount_pico=until_now - sum(burn.restored.values()),
            at=on.ports.clock.now(),
        )
    return _stored(_carried_over(account, invoice, back.carried_over, on))


async def voided_back(invoice: Invoice, on: Tenancy) -> Decided | None:
    """All that no credit note has given back. Raises TooManyGrants."""
    account = await credit_account(on)
    if account is not None:
        account.restore(str(invoice.id), reference=VOID, at=on.ports.clock.now())
    before = -smallest_of(str(invoice.document["balance_before"]), invoice.currency)
    given = given_back(invoice.document, invoice.credited).carried_over
    return _stored(_carried_over(account, invoice, before - given, on))


def _carried_over(
    account: CreditAccount | None, invoice: Invoice, smallest: int, on: Tenancy
) -> CreditAccount | None:
    usd = smallest * usd_of_smallest(invoice.currency, str(invoice.document["usd_rate"]))
    words = f"invoice {invoice.document['number']}"
    return money_credited(account, int(usd * PICO_PER_USD), words, on)


def _stored(account: CreditAccount | None) -> Decided | None:
    if account is None or not account.pending_events:
        return None
    return Decided({}, aggregates=(account,), side_rows=(credit_deadline(account),))
