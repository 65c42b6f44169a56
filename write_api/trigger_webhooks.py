"""POST /trigger-webhooks/{trigger_id}/{trigger_key}: what somebody without an API key sends to
begin a run.
POST /triggers/{id}/rotate: another key.
"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope

from commands.authorization import Caller
from commands.dispatch import Answer
from commands.parts import UnknownParts
from commands.trigger_webhooks import ReceiveDelivery, RotateTrigger
from commands.triggers import TriggerOwnerGone
from domain.errors import NotFound, OverLimit
from domain.feature_flags import FeatureOff
from domain.identifiers import Json
from domain.trigger_inputs import TriggerInputFailed
from domain.trigger_webhooks import NoRoomForRun, SignatureInvalid, SignedRequest
from domain.triggers import NoWebhook, TriggerNotFound, TriggerPaused
from infra.caller_limits import DELIVERIES
from infra.webhook_keys import TRIGGER_KEY_CHARACTERS, TRIGGERS_PATH
from write_api.edge import Call, Edge
from write_api.openapi import ANY_BODY, Answered, documented
from write_api.requests import (
    HeaderMap,
    header_map,
    idempotency_key,
    parse_json,
    path_id,
    read_body,
    require_storable,
    require_unencoded,
)
from write_api.routes import Route, route
from write_api.webhooks import told_headers, told_query

# The first of them that is there says which delivery it is, however often it is tried: of the
# Standard Webhooks specification, of GitHub, and ours.
DELIVERY_IDS = ("Webhook-Id", "X-GitHub-Delivery", "Idempotency-Key")
STRIPE = b"stripe-signature"
# Somebody who reads what a run got must not be able to send it once more.
SIGNATURES = frozenset({STRIPE, b"x-hub-signature-256", b"webhook-signature"})
DELIVERY_ID_CHARACTERS_MAX = 255


class DeliveryAccepted(BaseModel):
    """execution_id: null where the trigger has paused itself at this very delivery."""

    execution_id: str | None


class TriggerRotated(BaseModel):
    """webhook_path: the one that counts from now on, and the only one; a secret."""

    trigger_id: str
    webhook_path: str
    version: int


PATH_PARAMETERS = {
    "trigger_key": {
        "description": "The end of `webhook_path`.",
        "schema": {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{{TRIGGER_KEY_CHARACTERS}}}$"},
        "example": "A" * TRIGGER_KEY_CHARACTERS,
    }
}
REQUEST_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {}, "example": {"order": 17}}},
}


async def receive(call: Call) -> Response:
    """A stranger learns nothing of the tenant: neither what it has switched off, nor whose the
    trigger was, nor what its plan allows.
    """
    raw = await read_body(call.receive, call.headers, bytes_max=call.edge.body_bytes_max)
    require_unencoded(call.headers)
    body: Json = parse_json(raw)
    told = {name: one for name, one in call.headers.items() if name not in SIGNATURES}
    request: dict[str, Json] = {
        "headers": told_headers(told),
        "query": told_query(call.scope["query_string"]),
        "body": body,
    }
    require_storable(request)
    trigger_id, generation = _known(call)
    headers = {
        name.decode("latin-1"): text.decode("latin-1") for name, text in call.headers.items()
    }
    command = ReceiveDelivery(trigger_id, generation, request, SignedRequest(raw, headers))
    key = _delivery_id(call.headers, body)
    async with call.edge.turns.of(trigger_id):
        try:
            return await call.answer(command, HTTPStatus.ACCEPTED, key=key)
        except (FeatureOff, TriggerOwnerGone, UnknownParts, NotFound):
            raise TriggerNotFound from None
        except OverLimit as refusal:
            raise NoRoomForRun(retry_after_s=refusal.retry_after_s) from None


@route(
    "POST",
    "/api/v1/triggers/{trigger_id}/rotate",
    documented(
        "rotateTrigger",
        "Give the webhook of a trigger another path; the one that was is void",
        requires=RotateTrigger.requires,
        answers=Answered[TriggerRotated],
        refusals=[TriggerNotFound, NoWebhook],
    ),
)
async def rotate(call: Call) -> Response:
    command = RotateTrigger(call.id("trigger_id"))
    return await call.answer(command, HTTPStatus.OK, more=with_path)


async def with_path(call: Call, answer: Answer) -> Answer:
    """With where a webhook is sent to, which is made each time and stored nowhere."""
    told = dict(answer.result)
    generation = told.pop("key_generation", None)
    if isinstance(generation, int):
        assert call.caller.tenant_id is not None
        told["webhook_path"] = call.edge.webhook_keys.trigger_path(
            call.caller.tenant_id, UUID(str(told["trigger_id"])), generation
        )
    return Answer(told, answer.position, answer.is_replayed)


async def _identify(edge: Edge, scope: Scope, receive: Receive) -> Call:
    """By the key in the path. A wrong key, an unknown trigger and one of another tenant are the
    same to the caller, and cost one HMAC.
    """
    trigger_id, headers = path_id(scope, "trigger_id"), header_map(scope)
    known = edge.webhook_keys.trigger(trigger_id, scope["path_params"]["trigger_key"])
    if known is None:
        await edge.count_stranger(scope)
        raise TriggerNotFound
    actor = f"trigger:{trigger_id}"
    caller = Caller(actor, known[0], frozenset({ReceiveDelivery.requires}))
    await edge.callers.take(scope, caller, own=DELIVERIES)
    return Call(edge, scope, receive, headers, caller, edge.credentials_of(scope, headers))


def _known(call: Call) -> tuple[UUID, int]:
    """The trigger, and the generation of the key that _identify has looked at."""
    trigger_id = call.id("trigger_id")
    known = call.edge.webhook_keys.trigger(trigger_id, call.text("trigger_key"))
    assert known is not None
    return trigger_id, known[1]


def _delivery_id(headers: HeaderMap, body: Json) -> str | None:
    """Stripe's is in the body, and is sent with each try."""
    for name in DELIVERY_IDS:
        told = idempotency_key(headers, name)
        if told is not None:
            return told
    if STRIPE in headers and isinstance(body, dict):
        event_id = body.get("id")
        if isinstance(event_id, str) and 0 < len(event_id) <= DELIVERY_ID_CHARACTERS_MAX:
            return event_id
    return None


def _documentation() -> dict[str, Any]:
    documentation = documented(
        "receiveDelivery",
        "Begin a run of a trigger's workflow; the end of the path is the credential",
        requires=None,
        answers=Answered[DeliveryAccepted],
        status=HTTPStatus.ACCEPTED,
        refusals=[
            *(TriggerNotFound, TriggerPaused, SignatureInvalid, TriggerInputFailed),
            *ANY_BODY,
        ],
        path_parameters=PATH_PARAMETERS,
    )
    extra: dict[str, Any] = documentation["openapi_extra"]
    extra["requestBody"] = REQUEST_BODY
    return documentation


ROUTES = (
    Route(
        "POST", TRIGGERS_PATH + "/{trigger_id}/{trigger_key}", _documentation(), receive, _identify
    ),
    rotate,
)
