"""Reading an invoice as it was written: by its tenant, or by who issued it. The issuer reads its
own copy where the tenant is erased.
"""

from uuid import UUID

import orjson

from commands.authorization import Caller, MissingScope
from commands.billing_port import DOCUMENTS, document_place
from commands.decisions import Tenancy
from commands.ports import Ports
from commands.sealing_port import KeyDestroyed
from commands.tenants import managed_tenant
from commands.upcoming_invoices import UpcomingInvoices
from domain.errors import NotFound
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.invoices import Invoice, InvoiceNotFound


class InvoiceReader:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.upcoming = UpcomingInvoices(ports)

    async def own(self, caller: Caller, invoice_id: UUID) -> Invoice:
        """Of the caller's tenant. Raises InvoiceNotFound, MissingScope."""
        if caller.reads_as is not None:
            raise MissingScope("This needs the scope read for everything of the tenant.")
        if caller.tenant_id is None:
            raise InvoiceNotFound
        return await self._loaded(caller.tenant_id, invoice_id)

    async def managed(self, caller: Caller, tenant_id: TenantId, invoice_id: UUID) -> Invoice:
        """Of a tenant that the caller manages. Raises NotFound, KeyDestroyed."""
        on = Tenancy(self._ports, caller, tenant_id)
        on.keep(await managed_tenant(on))
        return await self._loaded(tenant_id, invoice_id)

    async def issued(self, caller: Caller, invoice_id: UUID) -> JsonObject:
        """The copy of who issued it. Raises InvoiceNotFound."""
        assert self._ports.billing is not None
        assert self._ports.sealing is not None
        issuer_id = PLATFORM if caller.is_operator else caller.tenant_id
        copy = None
        if issuer_id is not None:
            copy = await self._ports.billing.issued(issuer_id, invoice_id)
        if issuer_id is None or copy is None:
            raise InvoiceNotFound
        place = document_place("invoice", copy.number)
        return orjson.loads(
            await self._ports.sealing.open(issuer_id, DOCUMENTS, copy.sealed, place)
        )

    async def document(self, caller: Caller, tenant_id: TenantId, invoice_id: UUID) -> JsonObject:
        """As it was finalised, for who manages the tenant or issued the invoice. Raises
        InvoiceNotFound.
        """
        try:
            return (await self.managed(caller, tenant_id, invoice_id)).document
        except (KeyDestroyed, NotFound):
            return await self.issued(caller, invoice_id)

    async def _loaded(self, tenant_id: TenantId, invoice_id: UUID) -> Invoice:
        invoice = await self._ports.events.load(Invoice, invoice_id, tenant_id)
        if invoice is None:
            raise InvoiceNotFound
        self._ports.events.keep(invoice, tenant_id)
        return invoice
