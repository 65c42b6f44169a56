"""Invoices: what is done with them, and their documents as JSON, HTML, PDF and CSV.

A document never changes, and neither do the bytes of any form of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from commands.authorization import require
from commands.invoices import (
    CreditInvoice,
    FinalizeInvoice,
    MarkUncollectible,
    PayInvoice,
    VoidInvoice,
)
from domain.credits import TooManyGrants
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject, TenantId
from domain.invoice_documents import canonical, content_sha256
from domain.invoice_facts import TooManyFacts
from domain.invoices import (
    CreditTooLarge,
    Invoice,
    InvoiceNotFound,
    InvoiceNotInState,
    InvoicePaidAlready,
)
from domain.tenants import TenantNotFound
from write_api.edge import Call, json_response
from write_api.invoice_csv import invoice_csv
from write_api.invoice_html import invoice_html
from write_api.openapi import Answered, documented, documented_query, streamed
from write_api.routes import route
from write_api.shapes import STRICT, Amount, AnyObject, Instant, Name

READ = "read"
LINES_MAX = 1_000


class Form(NamedTuple):
    media_type: str
    written: Callable[[JsonObject], bytes]


def _pdf(document: JsonObject) -> bytes:
    from write_api.invoice_pdf import invoice_pdf

    return invoice_pdf(document)


FORMS: Mapping[str, Form] = {
    "json": Form("application/json", canonical),
    "html": Form("text/html", invoice_html),
    "pdf": Form("application/pdf", _pdf),
    "csv": Form("text/csv", invoice_csv),
}
MEDIA_TYPES = tuple(form.media_type for form in FORMS.values())
FORMAT = {
    "name": "format",
    "in": "query",
    "required": False,
    "description": (
        "The document alone, the same bytes each time; also asked for by `Accept`. Without it: the"
        " state of the invoice, with its document in it."
    ),
    "schema": {"type": "string", "enum": sorted(FORMS)},
}


class OfTenant(BaseModel):
    model_config = STRICT

    tenant_id: Annotated[UUID, Field(strict=False)]


class PaymentBody(OfTenant):
    """reference: of the transfer, as the bank says it; each counts once. amount: of the invoice's
    currency; without it all that is left. A part is kept until all is there; what is too much
    becomes credit. received_at: without it now.
    """

    reference: Name
    amount: Amount | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    received_at: Instant | None = None


class VoidingBody(OfTenant):
    reason: Name


class CreditedLine(BaseModel):
    """line: its number. amount: without tax, in the currency of the invoice."""

    model_config = STRICT

    line: Annotated[int, Field(ge=1, le=LINES_MAX)]
    amount: Annotated[str, StringConstraints(pattern=r"^\d{1,15}(\.\d{1,4})?$")]


class CreditNoteBody(OfTenant):
    """lines: what is given back of each; without them all that is left of the invoice."""

    reason: Name
    lines: Annotated[list[CreditedLine], Field(max_length=LINES_MAX)] = []


class InvoiceFinalized(BaseModel):
    invoice_id: str
    status: str
    number: str
    total: str
    amount_due: str
    currency: str
    content_sha256: str
    unpriced: list[AnyObject]


class InvoiceChanged(BaseModel):
    invoice_id: str
    status: str


class InvoicePaymentTold(BaseModel):
    """received: all until now, without what was given back."""

    invoice_id: str
    status: str
    received: str
    currency: str


class GivenBackTold(BaseModel):
    """owed: need not be paid, or is to be refunded. credits: went back to what burned for it.
    carried_over: of earlier invoices, is credit now.
    """

    owed: str
    credits: str
    carried_over: str


class CreditNoteIssued(BaseModel):
    """status: of the invoice; `paid` where nothing is owed any more."""

    invoice_id: str
    number: str
    status: str
    total: str
    given_back: GivenBackTold
    content_sha256: str


class InvoiceTold(BaseModel):
    """document: null until it is finalised."""

    invoice_id: str
    status: str
    period_start: str
    period_end: str
    due_at: str | None
    content_sha256: str | None
    document: AnyObject | None
    credit_notes: list[AnyObject]


OF_TENANT_BODY = TypeAdapter(OfTenant)
PAYMENT_BODY = TypeAdapter(PaymentBody)
VOIDING_BODY = TypeAdapter(VoidingBody)
CREDIT_NOTE_BODY = TypeAdapter(CreditNoteBody)
SOME_TENANT = "019a0000-0000-7000-8000-000000000000"


@route(
    "POST",
    "/api/v1/invoices/{invoice_id}/finalize",
    documented(
        "finalizeInvoice",
        "Finalise a draft before its grace is over, and issue it",
        requires=FinalizeInvoice.requires,
        answers=Answered[InvoiceFinalized],
        body="OfTenant",
        example={"tenant_id": SOME_TENANT},
        refusals=[TenantNotFound, InvoiceNotFound, InvoiceNotInState, TooManyFacts],
    ),
)
async def finalize(call: Call) -> Response:
    body = await call.body(OF_TENANT_BODY)
    command = FinalizeInvoice(body.tenant_id, call.id("invoice_id"))
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/invoices/{invoice_id}/pay",
    documented(
        "payInvoice",
        "Record money that came for an invoice, as a bank statement says",
        requires=PayInvoice.requires,
        answers=Answered[InvoicePaymentTold],
        body="PaymentBody",
        example={"tenant_id": SOME_TENANT, "reference": "statement 2026-12, line 7"},
        refusals=[TenantNotFound, InvoiceNotFound, InvoiceNotInState, InvoicePaidAlready],
    ),
)
async def pay(call: Call) -> Response:
    body = await call.body(PAYMENT_BODY)
    command = PayInvoice(
        body.tenant_id,
        call.id("invoice_id"),
        body.reference,
        amount=body.amount,
        currency=body.currency,
        received_at=body.received_at,
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/invoices/{invoice_id}/void",
    documented(
        "voidInvoice",
        "Void an invoice that should never have been: its number stays, and nothing is owed",
        requires=VoidInvoice.requires,
        answers=Answered[InvoiceChanged],
        body="VoidingBody",
        example={"tenant_id": SOME_TENANT, "reason": "the wrong customer"},
        refusals=[TenantNotFound, InvoiceNotFound, InvoiceNotInState, TooManyGrants],
    ),
)
async def void(call: Call) -> Response:
    body = await call.body(VOIDING_BODY)
    command = VoidInvoice(body.tenant_id, call.id("invoice_id"), body.reason)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/invoices/{invoice_id}/uncollectible",
    documented(
        "markInvoiceUncollectible",
        "Give up collecting an invoice; it may still be paid",
        requires=MarkUncollectible.requires,
        answers=Answered[InvoiceChanged],
        body="VoidingBody",
        example={"tenant_id": SOME_TENANT, "reason": "insolvent"},
        refusals=[TenantNotFound, InvoiceNotFound, InvoiceNotInState],
    ),
)
async def mark_uncollectible(call: Call) -> Response:
    body = await call.body(VOIDING_BODY)
    command = MarkUncollectible(body.tenant_id, call.id("invoice_id"), body.reason)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/invoices/{invoice_id}/credit-notes",
    documented(
        "creditInvoice",
        "Give back lines of an invoice, or all of it, with a credit note",
        requires=CreditInvoice.requires,
        answers=Answered[CreditNoteIssued],
        status=HTTPStatus.CREATED,
        body="CreditNoteBody",
        example={"tenant_id": SOME_TENANT, "reason": "an outage", "lines": []},
        refusals=[
            TenantNotFound,
            InvoiceNotFound,
            InvoiceNotInState,
            CreditTooLarge,
            TooManyGrants,
        ],
    ),
)
async def credit(call: Call) -> Response:
    body = await call.body(CREDIT_NOTE_BODY)
    amounts = [(one.line, one.amount) for one in body.lines]
    if len(dict(amounts)) < len(amounts):
        mistake = FieldError("/lines", "duplicate", "each line is named once")
        raise Invalid(errors=[mistake])
    command = CreditInvoice(body.tenant_id, call.id("invoice_id"), body.reason, amounts)
    return await call.answer(command, HTTPStatus.CREATED)


def _reading(operation_id: str, summary: str, scope: str) -> dict[str, Any]:
    told = documented_query(
        operation_id,
        summary,
        requires=scope,
        answers=Answered[InvoiceTold],
        refusals=[TenantNotFound, InvoiceNotFound, InvoiceNotInState],
        query_parameters=[FORMAT],
    )
    return {**streamed(told, *MEDIA_TYPES)}


@route(
    "GET",
    "/api/v1/invoices/{invoice_id}",
    _reading("readInvoice", "An invoice of one's own tenant", READ),
)
async def read(call: Call) -> Response:
    require(call.caller, READ)
    invoice = await call.edge.invoices.own(call.caller, call.id("invoice_id"))
    form = _form(call)
    if form is None:
        return _told(call, invoice)
    return await _written(form, invoice.document, invoice.status)


@route(
    "GET",
    "/api/v1/tenants/{tenant_id}/invoices/{invoice_id}",
    _reading(
        "readIssuedInvoice",
        "An invoice of a tenant, for its issuer: also of one that is erased, as its document",
        FinalizeInvoice.requires,
    ),
)
async def read_issued(call: Call) -> Response:
    require(call.caller, FinalizeInvoice.requires)
    tenant_id, invoice_id = TenantId(call.id("tenant_id")), call.id("invoice_id")
    form = _form(call)
    if form is None:
        return _told(call, await call.edge.invoices.managed(call.caller, tenant_id, invoice_id))
    document = await call.edge.invoices.document(call.caller, tenant_id, invoice_id)
    return await _written(form, document, "not finalised")


def _form(call: Call) -> Form | None:
    """By the query, else by what is accepted; None: nobody asked for the document alone."""
    query = Request(call.scope).query_params
    named = query.get("format")
    if named is not None:
        if named not in FORMS:
            reason = f"one of {', '.join(sorted(FORMS))} is expected"
            raise Invalid(errors=[FieldError("query:format", "unknown_format", reason)])
        return FORMS[named]
    accepted = call.headers.get(b"accept", b"").decode("latin-1")
    for form in FORMS.values():
        if form.media_type in accepted and form.media_type != FORMS["json"].media_type:
            return form
    return None


async def _written(form: Form, document: JsonObject, status: str) -> Response:
    """Beside the event loop: a long invoice takes a while."""
    if not document:
        raise InvoiceNotInState(f"The invoice is {status}: there is no document yet.")
    content = await asyncio.to_thread(form.written, document)
    extension = next(name for name, one in FORMS.items() if one is form)
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(document)}.{extension}"',
        "X-Content-SHA256": content_sha256(document),
    }
    return Response(content, media_type=form.media_type, headers=headers)


def _file_name(document: JsonObject) -> str:
    """Its number, whose prefix may have what separates directories."""
    return str(document["number"]).replace("/", "-")


def _told(call: Call, invoice: Invoice) -> Response:
    data: JsonObject = {
        "invoice_id": str(invoice.id),
        "status": invoice.status,
        "period_start": invoice.period_start.isoformat(),
        "period_end": invoice.period_end.isoformat(),
        "due_at": None if invoice.due_at is None else invoice.due_at.isoformat(),
        "content_sha256": invoice.content_sha256 or None,
        "document": invoice.document or None,
        "credit_notes": [*invoice.credit_notes],
    }
    meta: JsonObject = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": data, "meta": meta}, HTTPStatus.OK)


ROUTES = (finalize, pay, void, mark_uncollectible, credit, read, read_issued)
BODIES = (OF_TENANT_BODY, PAYMENT_BODY, VOIDING_BODY, CREDIT_NOTE_BODY)
