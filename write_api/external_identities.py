"""Signing in at an identity provider of the tenant, and linking the account there to one's own.

GET /auth/oauth/{tenant_id}/{name}/start, GET /auth/oauth/callback, POST /auth/oauth/exchange, POST
/auth/identities/link, DELETE /auth/identities/{identity_id}.
"""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.dispatch import Origin
from commands.external_identities import RemoveExternalIdentity
from commands.oauth_port import Begun
from domain.errors import FieldError, Invalid
from write_api.edge import Call
from write_api.requests import traceparent
from write_api.shapes import STRICT

CALLBACK_PATH = "/api/v1/auth/oauth/callback"
ATTEMPT_LIFETIME_S = 600
QUERY_FIELDS_MAX = 50

TENANT = {"schema": {"type": "string", "format": "uuid"}}
RETURN_TO = {
    "name": "return_to",
    "in": "query",
    "required": False,
    "description": "The page of an application that picks up the login with the parameter `code`;"
    " one that the operator lets through. Without it the callback answers the browser.",
    "schema": {"type": "string", "maxLength": 2048},
}
CODE_CHALLENGE = {
    "name": "code_challenge",
    "in": "query",
    "required": False,
    "description": "With `return_to`: BASE64URL(SHA256(code_verifier)), as RFC 7636 has it.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
}
CALLBACK_QUERY = [
    {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
    for name in ("state", "code", "iss", "error")
]

Token = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class LinkBody(BaseModel):
    """provider: the name of an identity provider. return_to, code_challenge: as of a login."""

    model_config = STRICT

    provider: Annotated[str, StringConstraints(min_length=1, max_length=63)]


class ExchangeBody(BaseModel):
    """code: of the parameter that return_to was called with."""

    model_config = STRICT

    code: Token
    code_verifier: Token


class LinkBegun(BaseModel):
    """authorization_url: where the browser goes; the cookie of this answer must go with it."""

    authorization_url: str


class ExternalIdentityRemoved(BaseModel):
    external_identity_id: str
    is_removed: bool


LINK_BODY = TypeAdapter(LinkBody)
EXCHANGE_BODY = TypeAdapter(ExchangeBody)


async def start(call: Call) -> Response:
    query = _query(call)
    begun, url = await call.edge.oauth.start(
        TenantId(call.id("tenant_id")),
        call.text("name"),
        return_to=query.get("return_to"),
        code_challenge=query.get("code_challenge"),
    )
    headers = {"Location": url, "Set-Cookie": _cookie_set(begun)}
    return Response(status_code=HTTPStatus.FOUND.value, headers=headers)


async def callback(call: Call) -> Response:
    query = _query(call)
    name = _cookie_name(query.get("state", ""))
    origin = Origin(call.request_id, None, traceparent(call.headers))
    finished = await call.edge.oauth.finish(query, _cookie(call, name), origin)
    cleared = {"Set-Cookie": f"{name}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"}
    if finished.return_to is not None:
        headers = {"Location": finished.return_to, **cleared}
        return Response(status_code=HTTPStatus.FOUND.value, headers=headers)
    if finished.is_linked:
        return call.told({"is_linked": True}, headers=cleared)
    return call.told(await call.edge.begin_session(call, finished.signed_in), headers=cleared)


async def exchange(call: Call) -> Response:
    body = await call.body(EXCHANGE_BODY)
    signed_in = await call.edge.oauth.pick_up(body.code, body.code_verifier)
    return call.told(await call.edge.begin_session(call, signed_in))


async def link(call: Call) -> Response:
    body = await call.body(LINK_BODY)
    begun, url = await call.edge.oauth.start_link(call.caller, body.provider)
    return call.told({"authorization_url": url}, headers={"Set-Cookie": _cookie_set(begun)})


async def remove(call: Call) -> Response:
    return await call.answer(RemoveExternalIdentity(call.id("identity_id")), HTTPStatus.OK)


def _query(call: Call) -> Mapping[str, str]:
    """Raises Invalid, also for a parameter that is there twice: two readers would take another."""
    raw = call.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=QUERY_FIELDS_MAX,
            errors="strict",
        )
    except ValueError:
        reason = f"at most {QUERY_FIELDS_MAX} parameters in UTF-8 are read"
        raise Invalid(errors=[FieldError("query:", "unreadable", reason)]) from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise Invalid(errors=[FieldError("query:", "duplicate_parameter", "one is there twice")])
    return query


def _cookie_name(state: str) -> str:
    """One for each login, so that two of one browser do not meet. The prefix keeps other hosts and
    plain connections from setting it (RFC 6265bis section 4.1.3.2).
    """
    return f"__Host-oauth_{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _cookie_set(begun: Begun) -> str:
    name = _cookie_name(begun.attempt.state)
    attributes = f"Path=/; Max-Age={ATTEMPT_LIFETIME_S}; HttpOnly; Secure; SameSite=Lax"
    return f"{name}={begun.browser_secret}; {attributes}"


def _cookie(call: Call, name: str) -> str | None:
    raw = call.headers.get(b"cookie", b"").decode("latin-1")
    for pair in raw.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None


def _start_documentation() -> Documentation:
    documentation = documented(
        "startLogin",
        "Send a browser to an identity provider",
        requires=None,
        answers=Answered[LinkBegun],
        refusals=[IdentityProviderNotFound, LoginRefused],
        path_parameters={"tenant_id": TENANT, "name": NAME},
    )
    documentation["openapi_extra"]["parameters"] = [RETURN_TO, CODE_CHALLENGE]
    return _redirecting(documentation)


def _callback_documentation() -> Documentation:
    documentation = documented(
        "finishLogin",
        "Where the identity provider sends the browser back to",
        requires=None,
        answers=Answered[Session],
        refusals=[IdentityProviderNotFound, IdentityTaken, LoginRefused],
    )
    documentation["openapi_extra"]["parameters"] = CALLBACK_QUERY
    return _redirecting(documentation)
