"""POST, PUT and GET /webhooks/{execution_id}/{key}/{name}: what somebody without an API key sends
to a run. GET, because many callbacks are links.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel
from starlette.responses import Response

from commands.signals import ReceiveWebhook
from domain.errors import FieldError, Invalid
from domain.executions import ExecutionEnded, ExecutionNotFound
from domain.feature_flags import FeatureOff
from domain.identifiers import Json, JsonObject
from domain.signals import SignalsTooLarge, TooManySignals
from write_api.edge import Call, Edge
from write_api.openapi import ANY_BODY, Answered, documented
from write_api.requests import (
    HeaderMap,
    UnparsableBody,
    idempotency_key,
    parse_json,
    read_body,
    require_storable,
    require_unencoded,
)
from write_api.routes import Documentation, Route
from write_api.signals import NAME

PATH = "/api/v1/webhooks/{execution_id}/{key}/{name}"
QUERY_FIELDS_MAX = 100
HEADERS_MAX = 64
HEADER_CHARACTERS_MAX = 2048
# Credentials are no business of a run, and its events are read by many.
SECRET_HEADERS = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-operator-key"})
# Of the Standard Webhooks specification: the same for every attempt at one delivery.
DELIVERY_ID = "Webhook-Id"


class WebhookAccepted(BaseModel):
    execution_id: str
    name: str


PATH_PARAMETERS = {
    "key": {
        "description": "The end of `execution.webhook_path`.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{64}$"},
        "example": "A" * 64,
    },
    "name": {**NAME, "description": "The name that a node of type `webhook` waits for."},
}
DELIVERY_ID_PARAMETER = {
    "name": DELIVERY_ID,
    "in": "header",
    "required": False,
    "description": "As `Idempotency-Key`, whatever else is in the request; it wins over that.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
}
REQUEST_BODY = {
    "required": False,
    "content": {
        "application/json": {"schema": {}, "example": {"paid": True}},
        "text/plain": {"schema": {"type": "string"}},
    },
}


async def receive(call: Call) -> Response:
    command = ReceiveWebhook(call.id("execution_id"), call.text("name"), await _request(call))
    key = idempotency_key(call.headers, DELIVERY_ID)
    try:
        return await call.answer(command, HTTPStatus.ACCEPTED, key=key)
    except FeatureOff:
        raise ExecutionNotFound from None  # A stranger learns nothing of the tenant.


async def _request(call: Call) -> JsonObject:
    raw = await read_body(call.receive, call.headers, bytes_max=call.edge.body_bytes_max)
    request: JsonObject = {
        "method": call.scope["method"],
        "query": told_query(call.scope["query_string"]),
        "headers": told_headers(call.headers),
        "body": _body(raw, call.headers),
    }
    require_storable(request)
    return request


def told_query(raw: bytes) -> JsonObject:
    """A field that is there twice is a list."""
    try:
        query = parse_qs(
            raw.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX
        )
    except ValueError:
        reason = f"at most {QUERY_FIELDS_MAX} fields are read"
        raise Invalid(errors=[FieldError("query:", "too_many_fields", reason)]) from None
    return {
        name: values[0] if len(values) == 1 else list[Json](values)
        for name, values in query.items()
    }


def told_headers(headers: HeaderMap) -> JsonObject:
    """What is secret, too long or one too many is left out: the sender cannot always help it."""
    told = [
        (name.decode("latin-1"), text.decode("latin-1"))
        for name, text in headers.items()
        if name not in SECRET_HEADERS and len(text) <= HEADER_CHARACTERS_MAX
    ]
    return dict[str, Json](told[:HEADERS_MAX])


def _body(raw: bytes, headers: HeaderMap) -> Json:
    require_unencoded(headers)
    if not raw:
        return None
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type == b"application/json" or media_type.endswith(b"+json"):
        return parse_json(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UnparsableBody("The body is neither JSON nor text in UTF-8.") from None


def _documentation(operation_id: str, *, has_body: bool) -> Documentation:
    documentation = documented(
        operation_id,
        "Send a request to a run; it is kept until a node takes it",
        requires=None,
        answers=Answered[WebhookAccepted],
        status=HTTPStatus.ACCEPTED,
        refusals=[ExecutionNotFound, ExecutionEnded, TooManySignals, SignalsTooLarge, *ANY_BODY],
        path_parameters=PATH_PARAMETERS,
    )
    extra: dict[str, Any] = documentation["openapi_extra"]
    extra["parameters"].append(DELIVERY_ID_PARAMETER)
    if has_body:
        extra["requestBody"] = REQUEST_BODY
    return documentation


ROUTES = tuple(
    Route(method, PATH, documentation, receive, Edge.identify_webhook)
    for method, documentation in (
        ("POST", _documentation("receiveWebhook", has_body=True)),
        ("PUT", _documentation("receiveWebhookByPut", has_body=True)),
        ("GET", _documentation("receiveWebhookByGet", has_body=False)),
    )
)
