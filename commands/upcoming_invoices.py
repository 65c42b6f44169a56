"""The invoice that is finalised next, as it would be with what is known now: made in the same way,
of the same log, and stored nowhere.

Its period counts as a whole: what recurs until its end is on it, all that is included is free, and
credits pay that will count when it is finalised. So it changes only by what is used, decided or
given meanwhile, and the invoice that follows is the same where nothing was.

It costs as much as finalising. So each process makes one of a tenant at a time, a few at once, and
tells it again for a while that depends on how long it took.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from commands.authorization import Caller, MissingScope
from commands.decisions import Tenancy
from commands.invoice_making import gathered_sources
from commands.invoice_writing import write_invoice
from commands.ports import Ports
from commands.tenants import managed_tenant
from domain.billing_accounts import BillingAccount, BillingAccountNotFound, billing_account_id
from domain.identifiers import JsonObject, TenantId
from domain.invoices import Invoice, InvoiceNotFound, invoice_id

FORMAT = "agentledger.upcoming_invoice/1"
# Made at once by one process; others wait.
AT_ONCE_MAX = 4
# A tenant takes at most one tenth of the time of one maker.
KEPT_FACTOR = 10
KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Kept:
    told: JsonObject
    until: datetime


class UpcomingInvoices:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)
        self._making: dict[TenantId, asyncio.Task[JsonObject]] = {}
        self._kept: dict[TenantId, _Kept] = {}

    async def own(self, caller: Caller) -> JsonObject:
        """Of the caller's tenant. Raises BillingAccountNotFound, MissingScope, TooManyFacts."""
        if caller.reads_as is not None:
            raise MissingScope("This needs the scope read for everything of the tenant.")
        if caller.tenant_id is None:
            raise BillingAccountNotFound
        return await self._shared(caller, caller.tenant_id)

    async def own_if_billed(self, caller: Caller) -> JsonObject | None:
        """None for a tenant that is not billed."""
        try:
            return await self.own(caller)
        except BillingAccountNotFound:
            return None

    async def managed(self, caller: Caller, tenant_id: TenantId) -> JsonObject:
        """Of a tenant that the caller manages. Raises TenantNotFound, and as above."""
        on = Tenancy(self._ports, caller, tenant_id)
        on.keep(await managed_tenant(on))
        return await self._shared(caller, tenant_id)

    async def _shared(self, caller: Caller, tenant_id: TenantId) -> JsonObject:
        kept = self._kept.get(tenant_id)
        if kept is not None and self._ports.clock.now() < kept.until:
            return kept.told
        making = self._making.get(tenant_id)
        if making is None:
            making = asyncio.create_task(self._made(caller, tenant_id))
            self._making[tenant_id] = making
            making.add_done_callback(lambda _: self._making.pop(tenant_id))
        return await asyncio.shield(making)  # Who asked first may go before who asked later.

    async def _made(self, caller: Caller, tenant_id: TenantId) -> JsonObject:
        async with self._turns:
            begun_at = self._ports.clock.now()
            told = await upcoming_invoice(Tenancy(self._ports, caller, tenant_id))
            ended_at = self._ports.clock.now()
        self._keep(tenant_id, _Kept(told, ended_at + KEPT_FACTOR * (ended_at - begun_at)), ended_at)
        return told

    def _keep(self, tenant_id: TenantId, made: _Kept, now: datetime) -> None:
        if len(self._kept) >= KEPT_MAX:
            self._kept = {one: kept for one, kept in self._kept.items() if kept.until > now}
        if len(self._kept) < KEPT_MAX:
            self._kept[tenant_id] = made


async def upcoming_invoice(on: Tenancy) -> JsonObject:
    """Raises BillingAccountNotFound, TooManyFacts, KeyDestroyed."""
    account = await on.load(
        BillingAccount, billing_account_id(on.tenant_id), BillingAccountNotFound
    )
    if account.terms is None:
        raise BillingAccountNotFound
    invoice = await on.load(Invoice, invoice_id(on.tenant_id, account.next_start), InvoiceNotFound)
    now = on.ports.clock.now()
    grace_until = invoice.period_end + timedelta(seconds=account.terms.grace_s)
    sources, gathered, bounds = await gathered_sources(account, invoice, on)
    finalized_at = max(now, invoice.grace_until or grace_until)
    # What burns here is given back to nobody: the aggregate is dropped.
    written = write_invoice(sources, gathered, number="", bounds=bounds, now=finalized_at)
    on.keep(account)
    on.keep(invoice)
    document = {
        name: value
        for name, value in written.document.items()
        if name not in ("number", "finalized_at")
    }
    return {
        "invoice_id": str(invoice.id),
        "status": invoice.status,
        "as_of": now.isoformat(),
        "finalized_from": finalized_at.isoformat(),
        "document": {**document, "format": FORMAT},
    }
