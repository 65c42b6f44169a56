"""POST /payments/checkout: a page of the payment provider for a tenant.

POST /payments/webhooks/stripe: what Stripe tells. Its signature is its credential; whoever sends
another counts against their address, and a right one never does.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope

from commands.authorization import Caller
from commands.payment_port import (
    ForgedEvent,
    PaymentProviderRefused,
    PaymentProviderUnavailable,
    PaymentsNotSetUp,
    ProviderEvent,
)
from commands.payments import (
    EventOfNobody,
    OpenCheckout,
    PaidToReseller,
    ReceiveProviderEvent,
    RefundPayment,
)
from commands.plan_purchases import PlanNotForSale
from commands.sealing_port import KeyDestroyed
from domain.errors import FieldError, Invalid, Unauthenticated
from domain.identifiers import PLATFORM
from domain.invoices import InvoiceNotFound
from domain.payments import NothingToRefund, PaymentInProgress, PaymentNotFound
from domain.plans import PlanNotFound
from write_api.edge import BECAME_SCOPE_KEY, STRANGER, Call, Edge
from write_api.openapi import ANY_BODY, Answered, documented
from write_api.requests import header_map, read_body
from write_api.routes import Route, route
from write_api.shapes import STRICT, Amount

# The largest of Stripe's events are far below.
EVENT_BYTES_MAX = 256 * 1024
SIGNATURE = b"stripe-signature"
# A name for the provider in the envelope of events.
ACTOR = "stripe"


class EventNotSigned(Unauthenticated):
    """The signature of this event is missing, wrong or too old."""

    code = "event_not_signed"


def _web_page(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        message = "an http or https URL without a user is expected"
        raise ValueError(message)
    return url


WebPage = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^https?://[!-~]+$"),
    AfterValidator(_web_page),
]


Id = Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class CheckoutBody(BaseModel):
    """plan_id: a plan that is bought. invoice_id: an invoice that is paid. One of them; without
    either the page asks only what is paid with from now on. success_url, cancel_url: where the page
    sends the browser afterwards.
    """

    model_config = STRICT

    plan_id: Id | None = None
    invoice_id: Id | None = None
    success_url: WebPage
    cancel_url: WebPage


class CheckoutTold(BaseModel):
    """amount: to be paid there; null: nothing yet. url: of the page, for the browser of whoever
    pays. expires_at: RFC 3339.
    """

    payment_id: str | None
    amount: str | None
    currency: str
    url: str
    expires_at: str


class RefundBody(BaseModel):
    """reference: of what was received. amount: of it, in the currency of the payment."""

    model_config = STRICT

    reference: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    amount: Amount


class RefundTold(BaseModel):
    """refunded: of the reference, until now."""

    payment_id: str
    reference: str
    refunded: str
    currency: str


class EventTold(BaseModel):
    """is_handled: False for what concerns nobody here; it is noted."""

    event_id: str
    kind: str
    is_handled: bool


CHECKOUT_BODY = TypeAdapter(CheckoutBody)
REFUND_BODY = TypeAdapter(RefundBody)
REQUEST_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object"}, "example": {"id": "evt_1"}}},
}
SIGNATURE_PARAMETER = {
    "name": "Stripe-Signature",
    "in": "header",
    "required": True,
    "description": "As Stripe makes it: `t=<seconds>,v1=<HMAC-SHA256>`; at most 5 minutes old.",
    "schema": {"type": "string"},
}


@route(
    "POST",
    "/api/v1/payments/checkout",
    documented(
        "openCheckout",
        "Open a page of the payment provider on which to pay, or to say what is paid with",
        requires=OpenCheckout.requires,
        answers=Answered[CheckoutTold],
        status=HTTPStatus.CREATED,
        body="CheckoutBody",
        example={
            "plan_id": "01945f3e-7a10-7000-8000-00000000000a",
            "success_url": "https://app.example.com/paid",
            "cancel_url": "https://app.example.com/plans",
        },
        refusals=[
            PaymentsNotSetUp,
            PaidToReseller,
            PaymentProviderRefused,
            PaymentProviderUnavailable,
            PlanNotFound,
            PlanNotForSale,
            InvoiceNotFound,
            PaymentInProgress,
        ],
    ),
)
async def checkout(call: Call) -> Response:
    body = await call.body(CHECKOUT_BODY)
    if body.plan_id is not None and body.invoice_id is not None:
        reason = "a plan or an invoice is expected, not both"
        raise Invalid(errors=[FieldError("/invoice_id", "two_subjects", reason)])
    plan_id, invoice_id = _uuid(body.plan_id), _uuid(body.invoice_id)
    command = OpenCheckout(plan_id, invoice_id, body.success_url, body.cancel_url)
    return await call.answer(command, HTTPStatus.CREATED)


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/payments/{payment_id}/refunds",
    documented(
        "refundPayment",
        "Give back what a tenant paid, or a part of it",
        requires=RefundPayment.requires,
        answers=Answered[RefundTold],
        body="RefundBody",
        example={"reference": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "amount": "12.50"},
        refusals=[
            PaymentNotFound,
            NothingToRefund,
            PaymentProviderRefused,
            PaymentProviderUnavailable,
        ],
    ),
)
async def refund(call: Call) -> Response:
    body = await call.body(REFUND_BODY)
    place = (call.id("tenant_id"), call.id("payment_id"))
    return await call.answer(RefundPayment(*place, body.reference, body.amount), HTTPStatus.OK)


async def _identify(edge: Edge, scope: Scope, receive: Receive) -> Call:
    """Nobody yet: the body has to be read first. Raises EventNotSigned."""
    headers = header_map(scope)
    if edge.payments is None or SIGNATURE not in headers:
        await edge.count_stranger(scope)
        raise EventNotSigned
    return Call(edge, scope, receive, headers, STRANGER, edge.credentials_of(scope, headers))


async def receive_event(call: Call) -> Response:
    """Acknowledged as soon as it is stored. What fails meanwhile is sent again by the provider."""
    event = await _verified(call)
    tenant_id = PLATFORM if event.tenant_id is None else event.tenant_id
    try:
        return await _received(call, event, Caller(ACTOR, tenant_id, SCOPES))
    except (EventOfNobody, KeyDestroyed):
        unknown = ProviderEvent(event.event_id, event.kind, None, "", None)
        return await _received(call, unknown, Caller(ACTOR, PLATFORM, SCOPES))


async def _received(call: Call, event: ProviderEvent, caller: Caller) -> Response:
    """The provider's id of the event is the key of the command, so it counts once."""
    call.scope[BECAME_SCOPE_KEY] = caller
    command = ReceiveProviderEvent(event.event_id, event.kind, event.subject, event.subject_id)
    proven = replace(call, caller=caller)
    return await proven.answer(command, HTTPStatus.OK, key=event.event_id)


async def _verified(call: Call) -> ProviderEvent:
    """Raises EventNotSigned."""
    assert call.edge.payments is not None
    payload = await read_body(call.receive, call.headers, bytes_max=EVENT_BYTES_MAX)
    try:
        return await call.edge.payments.verified(payload, call.headers[SIGNATURE].decode("latin-1"))
    except ForgedEvent:
        await call.edge.count_stranger(call.scope)
        raise EventNotSigned from None


def _documentation() -> dict[str, Any]:
    documentation = documented(
        "receiveStripeEvent",
        "What Stripe tells of payments; its signature is its credential",
        requires=None,
        answers=Answered[EventTold],
        refusals=[EventNotSigned, PaymentProviderUnavailable, *ANY_BODY],
    )
    extra: dict[str, Any] = documentation["openapi_extra"]
    extra["parameters"] = [SIGNATURE_PARAMETER]
    extra["requestBody"] = REQUEST_BODY
    return documentation


SCOPES = frozenset({ReceiveProviderEvent.requires})
receive = Route(
    "POST", "/api/v1/payments/webhooks/stripe", _documentation(), receive_event, _identify
)

ROUTES = (checkout, receive, refund)
BODIES = (CHECKOUT_BODY, REFUND_BODY)
