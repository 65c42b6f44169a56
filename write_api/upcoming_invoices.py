"""The invoice that is finalised next, as it would be with what is known now."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from commands.authorization import require
from commands.invoices import FinalizeInvoice
from domain.billing_accounts import BillingAccountNotFound
from domain.errors import DomainError
from domain.identifiers import JsonObject, TenantId
from domain.invoice_facts import TooManyFacts
from domain.tenants import TenantNotFound
from write_api.edge import Call, json_response
from write_api.invoices import READ
from write_api.openapi import Answered, documented_query
from write_api.routes import route
from write_api.shapes import AnyObject


class UpcomingInvoiceTold(BaseModel):
    """invoice_id: what it will be. status: `gathering`, or `draft` in its grace. as_of: what was
    known then. finalized_from: when it is finalised at the earliest; credits pay that count then.
    document: as of an invoice, without a number.
    """

    invoice_id: str
    status: str
    as_of: str
    finalized_from: str
    document: AnyObject


def _documented(
    operation_id: str, summary: str, scope: str, *refusals: type[DomainError]
) -> dict[str, Any]:
    return documented_query(
        operation_id,
        summary,
        requires=scope,
        answers=Answered[UpcomingInvoiceTold],
        refusals=[BillingAccountNotFound, TooManyFacts, *refusals],
    )


@route(
    "GET",
    "/api/v1/invoices/upcoming",
    _documented(
        "upcomingInvoice",
        "What the tenant's next invoice comes to with what is known now; nothing is stored",
        READ,
    ),
)
async def upcoming(call: Call) -> Response:
    require(call.caller, READ)
    return _told(call, await call.edge.invoices.upcoming.own(call.caller))


@route(
    "GET",
    "/api/v1/tenants/{tenant_id}/invoices/upcoming",
    _documented(
        "upcomingInvoiceOfTenant",
        "What a tenant's next invoice comes to with what is known now, for who will issue it",
        FinalizeInvoice.requires,
        TenantNotFound,
    ),
)
async def upcoming_of_tenant(call: Call) -> Response:
    require(call.caller, FinalizeInvoice.requires)
    tenant_id = TenantId(call.id("tenant_id"))
    return _told(call, await call.edge.invoices.upcoming.managed(call.caller, tenant_id))


def _told(call: Call, data: JsonObject) -> Response:
    meta: JsonObject = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": data, "meta": meta}, HTTPStatus.OK)


ROUTES = (upcoming, upcoming_of_tenant)
