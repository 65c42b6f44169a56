"""Making the document of an invoice: what it is made of is loaded, its facts are gathered from the
log, and it is written down (commands/invoice_writing.py) with the next number of its issuer.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands.billing_port import DOCUMENTS, IssuedDocument, Series, document_place
from commands.credits import credit_account
from commands.decisions import Tenancy
from commands.invoice_writing import Bounds, Party, Sources, Written, write_invoice
from domain.billing_accounts import NUMBER_PREFIX_DEFAULT, BillingAccount, billing_account_id
from domain.credits import CreditAccount
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.invoice_documents import canonical, content_sha256
from domain.invoice_facts import GatheredFacts
from domain.invoices import Invoice
from domain.subscriptions import Subscription, subscription_id
from domain.tenants import Tenant, TenantNotFound

NUMBER_DIGITS = 6
CREDIT_NOTE_PREFIX = "CN-"


@dataclass(frozen=True, slots=True)
class MadeInvoice:
    number: int
    finalized_at: datetime
    written: Written
    sha256: str
    copy: IssuedDocument
    credit: CreditAccount | None


async def make_invoice(account: BillingAccount, invoice: Invoice, on: Tenancy) -> MadeInvoice:
    """The number is asked for last: until the append somebody else may take it, and then all of
    this is done again. Raises TooManyFacts, KeyDestroyed.
    """
    now = on.ports.clock.now()
    sources, gathered, bounds = await gathered_sources(account, invoice, on)
    issuer_id = issuer_of(invoice)
    number = await next_number(on, issuer_id, "invoice")
    printed = printed_number(sources.issuer, number)
    written = write_invoice(sources, gathered, number=printed, bounds=bounds, now=now)
    copy = await issued_copy(
        on, issuer_id, "invoice", number, invoice_id=invoice.id, document=written.document
    )
    return MadeInvoice(number, now, written, content_sha256(written.document), copy, sources.credit)


async def gathered_sources(
    account: BillingAccount, invoice: Invoice, on: Tenancy
) -> tuple[Sources, GatheredFacts, Bounds]:
    """What is settled now, and is on no invoice yet. Aggregates are loaded after that is known, so
    none of them lacks what came before. Raises TooManyFacts, KeyDestroyed.
    """
    assert on.ports.billing is not None
    bounds = Bounds.after(account, await on.ports.billing.settled())
    sources = await _sources(account, invoice, on)
    gathered = sources.gathering(bounds)
    pages = on.ports.billing.facts(on.tenant_id, after=bounds.read_from, before=bounds.closed_to)
    async for page in pages:
        gathered.take(page)
    return sources, gathered, bounds


async def _sources(account: BillingAccount, invoice: Invoice, on: Tenancy) -> Sources:
    subscription = await on.ports.events.load(
        Subscription, subscription_id(on.tenant_id), on.tenant_id
    )
    if subscription is not None:
        on.keep(subscription)
    issuer_id = issuer_of(invoice)
    return Sources(
        account=account,
        invoice=invoice,
        subscription=subscription,
        credit=await credit_account(on),
        issuer=await _party(on, issuer_id, await _account_of(on, issuer_id)),
        customer=await _party(on, on.tenant_id, account),
    )


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


def printed_number(issuer: Party, number: int) -> str:
    return f"{issuer.number_prefix}{number:0{NUMBER_DIGITS}d}"


async def _account_of(on: Tenancy, tenant_id: TenantId) -> BillingAccount | None:
    account = await on.ports.events.load(BillingAccount, billing_account_id(tenant_id), tenant_id)
    if account is not None:
        on.ports.events.keep(account, tenant_id)
    return account


async def _party(on: Tenancy, tenant_id: TenantId, account: BillingAccount | None) -> Party:
    """Who has not said under which name they do business has the name of their tenant."""
    tenant = None
    if (account is None or not account.party) and tenant_id != PLATFORM:
        tenant = await on.ports.events.load(Tenant, tenant_id, tenant_id)
        if tenant is None:
            raise TenantNotFound
        on.ports.events.keep(tenant, tenant_id)
    return party_of(tenant_id, account, tenant)


def party_of(tenant_id: TenantId, account: BillingAccount | None, tenant: Tenant | None) -> Party:
    """tenant: only of who has not said a name of its own."""
    nobody: JsonObject = {
        "legal_name": "" if tenant is None else tenant.name,
        "address": [],
        "country": "",
        "tax_id": None,
        "email": None,
    }
    said = {} if account is None else account.party
    return Party(
        {"id": None if tenant_id == PLATFORM else str(tenant_id), **nobody, **said},
        NUMBER_PREFIX_DEFAULT if account is None else account.number_prefix,
        0 if account is None else account.version,
        0 if tenant is None else tenant.version,
    )
