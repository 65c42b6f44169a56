"""What is due in the billing of one tenant, step by step; each is one append, and doing it again
finds it done. The saga takes the steps when they are due (sagas/billing.py), the operator may
finalise a draft earlier (commands/invoices.py).

    gathering ── end of the period ──► draft ── end of the grace ──► finalised and issued
                                      + the next one gathers

Finalising is one append: the invoice with its number, the account that says how far billing came,
and the copy that the issuer keeps.
"""

from datetime import datetime, timedelta
from uuid import UUID

from commands.billing_port import RemovedBillingTimer, SetBillingTimer
from commands.credits import credit_deadline
from commands.decisions import Decided, Tenancy
from commands.invoice_making import make_invoice
from commands.payment_collection import begun_collection
from commands.ports import SideRow
from domain.aggregates import Aggregate
from domain.billing_accounts import BillingAccount, billing_account_id
from domain.invoice_periods import month_after
from domain.invoices import Invoice, InvoiceNotFound, invoice_id
from domain.tenants import Tenant, TenantNotFound

NOTHING = Decided(result={}, aggregates=())


def begun_period(
    account: BillingAccount, tenant: Tenant, on: Tenancy, *, start: datetime
) -> Decided:
    """The invoice of the period that begins then, and when it ends."""
    assert account.terms is not None
    time_zone = account.terms.time_zone or tenant.time_zone
    end = month_after(start, time_zone)
    invoice = on.begin(
        Invoice,
        invoice_id(on.tenant_id, start),
        issuer_id=tenant.reseller_id,
        period_start=start.isoformat(),
        period_end=end.isoformat(),
        time_zone=time_zone,
    )
    return Decided({}, aggregates=(invoice,), side_rows=(SetBillingTimer(account.id, end),))


async def next_step(on: Tenancy) -> Decided:
    """What is due now; without aggregates when nothing is. Raises TooManyFacts, KeyDestroyed."""
    account_id = billing_account_id(on.tenant_id)
    account = await on.ports.events.load(BillingAccount, account_id, on.tenant_id)
    if account is None or account.starts_at is None:
        return NOTHING
    this_id = invoice_id(on.tenant_id, account.next_start)
    invoice = await on.load(Invoice, this_id, InvoiceNotFound)
    now = on.ports.clock.now()
    if invoice.status == "gathering" and now >= invoice.period_end:
        return await _drafted(account, invoice, on, now=now)
    if invoice.grace_until is not None and now >= invoice.grace_until:
        return await finalized(account, invoice, on)
    on.keep(account)
    on.keep(invoice)
    return NOTHING


async def past_due(on: Tenancy, due_id: UUID) -> Decided:
    """The day by which this invoice was to be paid has come."""
    invoice = await on.load(Invoice, due_id, InvoiceNotFound)
    invoice.mark_past_due()
    return Decided({}, aggregates=(invoice,), side_rows=(RemovedBillingTimer(due_id),))


async def finalized(account: BillingAccount, invoice: Invoice, on: Tenancy) -> Decided:
    """And issued. Raises InvoiceNotInState for what is no draft."""
    assert account.terms is not None
    invoice.require_draft()
    made = await make_invoice(account, invoice, on)
    document, amounts, closing = made.written.document, made.written.amounts, made.written.closing
    invoice.finalize(
        number=made.number,
        document=document,
        content_sha256=made.sha256,
        amounts=amounts._asdict(),
    )
    due_at = made.finalized_at + timedelta(days=account.terms.payment_terms_days)
    invoice.issue(due_at=due_at)
    account.close_period(closing)
    following = await on.load(
        Invoice, invoice_id(on.tenant_id, invoice.period_end), InvoiceNotFound
    )
    on.keep(following)
    rows: list[SideRow] = [made.copy, SetBillingTimer(account.id, following.period_end)]
    aggregates: list[Aggregate] = [invoice, account]
    if made.credit is not None:
        aggregates.append(made.credit)
        rows.append(credit_deadline(made.credit))
    if invoice.status == "issued":
        rows.append(SetBillingTimer(invoice.id, due_at))
        begun = await begun_collection(invoice, on)
        aggregates += begun.aggregates
        rows += begun.side_rows
    return Decided(
        result={
            "invoice_id": str(invoice.id),
            "status": invoice.status,
            "number": document["number"],
            "total": document["total"],
            "amount_due": document["amount_due"],
            "currency": amounts.currency,
            "content_sha256": made.sha256,
            "unpriced": document["unpriced"],
        },
        aggregates=aggregates,
        side_rows=rows,
    )


async def _drafted(
    account: BillingAccount, invoice: Invoice, on: Tenancy, *, now: datetime
) -> Decided:
    assert account.terms is not None
    grace_until = invoice.period_end + timedelta(seconds=account.terms.grace_s)
    invoice.open_draft(now=now, grace_until=grace_until)
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    on.keep(tenant)
    following = begun_period(account, tenant, on, start=invoice.period_end)
    return Decided(
        {},
        aggregates=(invoice, *following.aggregates),
        side_rows=(SetBillingTimer(account.id, grace_until),),
    )
