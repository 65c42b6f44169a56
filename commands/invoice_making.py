"""Making the document of an invoice: its facts are gathered from the log, charged, and written down
with the next number of its issuer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, cast
from uuid import UUID

from commands.billing_port import DOCUMENTS, IssuedDocument, Series, document_place
from commands.credits import credit_account
from commands.decisions import Tenancy
from domain.billing_accounts import (
    NUMBER_PREFIX_DEFAULT,
    BillingAccount,
    Closing,
    billing_account_id,
)
from domain.billing_periods import Period
from domain.charges import Charge
from domain.credits import CreditAccount
from domain.currencies import EXPONENTS, round_half_even
from domain.identifiers import PLATFORM, Json, JsonObject, TenantId
from domain.invoice_charges import usage_charges, usage_usd
from domain.invoice_documents import (
    Amounts,
    Burn,
    Due,
    Heading,
    build_document,
    canonical,
    content_sha256,
    exact_text,
    no_credits,
)
from domain.invoice_facts import BEGINNING, GatheredFacts, Place, Pool
from domain.invoices import Invoice
from domain.money import PICO_PER_USD
from domain.subscriptions import Subscription, subscription_id
from domain.tenants import Tenant, TenantNotFound

# How late facts may come; what was included in a period that is older is forgotten.
LATE_MAX = timedelta(days=370)
NUMBER_DIGITS = 6
CREDIT_NOTE_PREFIX = "CN-"


@dataclass(frozen=True, slots=True)
class Bounds:
    """As domain/invoice_facts.py draws them."""

    read_from: Place
    billed_to: Place
    closed_to: Place


@dataclass(frozen=True, slots=True)
class MadeInvoice:
    number: int
    document: JsonObject
    sha256: str
    amounts: Amounts
    closing: Closing
    copy: IssuedDocument
    credit: CreditAccount | None


async def gather(
    account: BillingAccount,
    period: Period,
    on: Tenancy,
    *,
    bounds: Bounds,
    subscription: Subscription | None,
) -> GatheredFacts:
    """Raises TooManyFacts, KeyDestroyed."""
    assert on.ports.billing is not None
    gathered = GatheredFacts(
        periods=[*(Period(*one) for one in account.periods), period],
        billed_to=bounds.billed_to,
        included=_included(account, period, subscription),
    )
    pages = on.ports.billing.facts(on.tenant_id, after=bounds.read_from, before=bounds.closed_to)
    async for page in pages:
        gathered.take(page)
    return gathered


async def bounds_of(account: BillingAccount, on: Tenancy) -> Bounds:
    """What is settled now, and is on no invoice yet."""
    assert on.ports.billing is not None
    closed_to = await on.ports.billing.settled()
    if account.closed is None:
        return Bounds(BEGINNING, BEGINNING, closed_to)
    return Bounds(_place(account.closed.next_from), _place(account.closed.closed_to), closed_to)


async def make_invoice(account: BillingAccount, invoice: Invoice, on: Tenancy) -> MadeInvoice:
    """The number is asked for last: until the append somebody else may take it, and then all of
    this is done again.
    """
    now = on.ports.clock.now()
    period = Period(invoice.period_start, invoice.period_end)
    bounds = await bounds_of(account, on)
    subscription = await on.ports.events.load(
        Subscription, subscription_id(on.tenant_id), on.tenant_id
    )
    gathered = await gather(account, period, on, bounds=bounds, subscription=subscription)
    charges = all_charges(gathered, subscription)
    credit = await credit_account(on)
    issuer_id = issuer_of(invoice)
    number = await next_number(on, issuer_id, "invoice")
    heading = await _heading(account, invoice, on, number=number, bounds=bounds, now=now)
    document, amounts = build_document(
        heading, charges, gathered, _burning(credit, heading, now=now)
    )
    sha256 = content_sha256(document)
    closing = Closing(
        invoice_id=str(invoice.id),
        period_end=invoice.period_end.isoformat(),
        next_from=[*(gathered.next_from or bounds.closed_to)],
        closed_to=[*bounds.closed_to],
        balance=amounts.balance_after,
        included_left=_left(gathered, now),
    )
    copy = await issued_copy(
        on, issuer_id, "invoice", number, invoice_id=invoice.id, document=document
    )
    return MadeInvoice(number, document, sha256, amounts, closing, copy, credit)


def all_charges(gathered: GatheredFacts, subscription: Subscription | None) -> list[Charge]:
    """Of usage and of the subscription, exact."""
    charges = usage_charges(gathered)
    if subscription is None:
        return charges
    period = gathered.period
    usage = usage_usd(charges, period)
    charges += subscription.charges(*period)
    minimum = subscription.minimum(*period, usage)
    return charges if minimum is None else [*charges, minimum]


def _burning(credit: CreditAccount | None, heading: Heading, *, now: datetime) -> Burn:
    """Credits are in USD: what is due is asked for at the rate of the invoice."""
    if credit is None:
        return no_credits
    smallest_usd = 1 / (Fraction(heading.usd_rate) * 10 ** EXPONENTS[heading.currency])

    def burn(due: Due) -> int:
        wanted = ceil(due.amount * smallest_usd * PICO_PER_USD)
        usage = ceil(due.usage * smallest_usd * PICO_PER_USD)
        paid = credit.burn(heading.invoice_id, wanted, usage_pico=usage, at=now)
        return min(round_half_even(Fraction(paid, PICO_PER_USD) / smallest_usd), due.amount)

    return burn


def issuer_of(invoice: Invoice) -> TenantId:
    """The nil tenant is the operator."""
    return PLATFORM if invoice.issuer_id is None else TenantId(UUID(invoice.issuer_id))


async def next_number(on: Tenancy, issuer_id: TenantId, series: Series) -> int:
    assert on.ports.billing is not None
    return await on.ports.billing.last_number(issuer_id, series) + 1


async def issued_copy(
    on: Tenancy,
    issuer_id: TenantId,
    series: Series,
    number: int,
    *,
    invoice_id: UUID,
    document: JsonObject,
) -> IssuedDocument:
    """Raises KeyDestroyed for an issuer that is no more."""
    place = document_place(series, number)
    sealed = await on.sealing.seal(issuer_id, DOCUMENTS, canonical(document), place)
    return IssuedDocument(issuer_id, series, number, invoice_id, content_sha256(document), sealed)


async def printed_number(on: Tenancy, issuer_id: TenantId, number: int) -> str:
    account = await _account_of(on, issuer_id)
    prefix = NUMBER_PREFIX_DEFAULT if account is None else account.number_prefix
    return f"{prefix}{number:0{NUMBER_DIGITS}d}"


async def _heading(
    account: BillingAccount,
    invoice: Invoice,
    on: Tenancy,
    *,
    number: int,
    bounds: Bounds,
    now: datetime,
) -> Heading:
    terms = account.terms
    assert terms is not None
    issuer_id = issuer_of(invoice)
    issuer = await _account_of(on, issuer_id)
    return Heading(
        number=await printed_number(on, issuer_id, number),
        invoice_id=str(invoice.id),
        issuer=await _party(on, issuer_id, issuer),
        customer=await _party(on, on.tenant_id, account),
        period=Period(invoice.period_start, invoice.period_end),
        time_zone=invoice.time_zone,
        finalized_at=now,
        currency=terms.currency,
        usd_rate=terms.usd_rate,
        taxes=terms.taxes,
        payment_terms_days=terms.payment_terms_days,
        balance_before=0 if account.closed is None else account.closed.balance,
        read_from=bounds.read_from,
        billed_to=bounds.billed_to,
        closed_to=bounds.closed_to,
    )


async def _account_of(on: Tenancy, tenant_id: TenantId) -> BillingAccount | None:
    account = await on.ports.events.load(BillingAccount, billing_account_id(tenant_id), tenant_id)
    if account is not None:
        on.ports.events.keep(account, tenant_id)
    return account


async def _party(
    on: Tenancy, tenant_id: TenantId, account: BillingAccount | None
) -> dict[str, Json]:
    """Who has not said under which name they do business has the name of their tenant."""
    party = {} if account is None else account.party
    if not party and tenant_id != PLATFORM:
        tenant = await on.ports.events.load(Tenant, tenant_id, tenant_id)
        if tenant is None:
            raise TenantNotFound
        on.ports.events.keep(tenant, tenant_id)
        party = {"legal_name": tenant.name}
    nobody: dict[str, Json] = {
        "legal_name": "",
        "address": [],
        "country": "",
        "tax_id": None,
        "email": None,
    }
    return {"id": None if tenant_id == PLATFORM else str(tenant_id), **nobody, **party}


def _included(
    account: BillingAccount, period: Period, subscription: Subscription | None
) -> dict[datetime, Mapping[Pool, Fraction]]:
    """What is free in this period; and what is left of earlier ones, for facts that come late."""
    left = {} if account.closed is None else account.closed.included_left
    found: dict[datetime, Mapping[Pool, Fraction]] = {}
    for start, pools in cast("dict[str, list[Any]]", left).items():
        found[datetime.fromisoformat(start)] = {
            (meter, model): Fraction(quantity) for meter, model, quantity in pools
        }
    own = [] if subscription is None else subscription.included(*period)
    if own:
        found[period.start] = {(one.meter, one.model): one.quantity for one in own}
    return found


def _left(gathered: GatheredFacts, now: datetime) -> JsonObject:
    left: JsonObject = {}
    for start in gathered.included:
        some: list[Json] = [
            [meter, model, exact_text(free.left)]
            for (meter, model), free in gathered.free(start).items()
            if free.left
        ]
        if some and start > now - LATE_MAX:
            left[start.isoformat()] = some
    return left


def _place(numbers: list[int]) -> Place:
    era, tx_id, notification_id = numbers
    return era, tx_id, notification_id
