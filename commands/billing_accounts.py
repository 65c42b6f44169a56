"""Billing profiles: to whom invoices are addressed, as the tenant says; and on which terms, as the
operator says, or the reseller whose customer it is. The operator's own address, and a reseller's,
are of who issues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.billing_cycle import begun_period
from commands.decisions import Command, Decided, Tenancy
from commands.tenants import managed_tenant
from domain.billing_accounts import BillingAccount, Terms, billing_account_id
from domain.identifiers import PLATFORM, JsonObject, TenantId


@dataclass(frozen=True, slots=True)
class AddressInvoices(Command):
    """address: lines as they are printed. country: ISO 3166. number_prefix: of what one issues
    oneself; None leaves it as it is.
    """

    requires: ClassVar[str] = "billing:write"

    legal_name: str
    address: Sequence[str]
    country: str
    tax_id: str | None
    email: str | None
    number_prefix: str | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        """The operator belongs to no tenant."""
        return PLATFORM if own is None else own


async def address_invoices(command: AddressInvoices, on: Tenancy) -> Decided:
    account = await load_account(on)
    party: JsonObject = {
        "legal_name": command.legal_name,
        "address": [*command.address],
        "country": command.country,
        "tax_id": command.tax_id,
        "email": command.email,
    }
    account.address_to(party, number_prefix=command.number_prefix)
    result: JsonObject = {**party, "number_prefix": account.number_prefix}
    return Decided(result, aggregates=(account,))


@dataclass(frozen=True, slots=True)
class SetBillingTerms(Command):
    """As domain.billing_accounts.Terms. starts_at: from when on the tenant is billed, which counts
    the first time; None: from now on.
    """

    requires: ClassVar[str] = "invoices:write"

    tenant_id: UUID
    currency: str
    usd_rate: str
    time_zone: str | None
    taxes: Mapping[str, str]
    payment_terms_days: int
    grace_s: int
    starts_at: datetime | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def set_billing_terms(command: SetBillingTerms, on: Tenancy) -> Decided:
    """The first time its first period begins. Raises TenantNotFound, CurrencyHeldByBalance."""
    tenant = await managed_tenant(on)
    on.keep(tenant)
    account = await load_account(on)
    terms = Terms(
        command.currency,
        command.usd_rate,
        command.time_zone,
        command.taxes,
        command.payment_terms_days,
        command.grace_s,
    )
    is_first = account.starts_at is None
    account.change_terms(terms, starts_at=command.starts_at or on.ports.clock.now())
    result: JsonObject = {
        "tenant_id": str(on.tenant_id),
        **terms._asdict(),
        "taxes": {**terms.taxes},
        "billed_from": account.next_start.isoformat(),
    }
    if not is_first:
        return Decided(result, aggregates=(account,))
    begun = begun_period(account, tenant, on, start=account.next_start)
    return Decided(result, aggregates=(account, *begun.aggregates), side_rows=begun.side_rows)


async def load_account(on: Tenancy) -> BillingAccount:
    """A new one where there is none yet."""
    account_id = billing_account_id(on.tenant_id)
    account = await on.ports.events.load(BillingAccount, account_id, on.tenant_id)
    return account or on.begin(BillingAccount, account_id)
