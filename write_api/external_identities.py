"""Signing in at an identity provider of the tenant, and linking the account there to one's own.

GET /auth/oauth/{tenant_id}/{name}/start, GET /auth/oauth/callback, POST /auth/oauth/exchange, POST
/auth/identities/link, DELETE /auth/identities/{identity_id}.
"""

import hashlib
import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import require
from commands.external_identities import RemoveExternalIdentity
from commands.oauth_port import Begun, LoginRefused
from domain.errors import FieldError, Invalid
from domain.external_identities import ExternalIdentityNotFound, IdentityTaken
from domain.identifiers import TenantId
from domain.identity_providers import IdentityProviderNotFound
from write_api.edge import Call, Edge
from write_api.identity_providers import NAME
from write_api.oauth_flow import Finished, SignedIn, returning
from write_api.openapi import (
    PATH_PARAMETERS,
    Answered,
    documented,
    documented_open,
    documented_personal,
)
from write_api.problem_details import SENT_TO_SCOPE_KEY
from write_api.routes import Documentation, Route
from write_api.sessions import LoginAnswered, answered
from write_api.shapes import STRICT

PREFIX = "/api/v1/auth"
CALLBACK_PATH = f"{PREFIX}/oauth/callback"
STRANGER = Edge.identify_stranger
ATTEMPT_LIFETIME_S = 600
QUERY_FIELDS_MAX = 50

RETURN_TO = {
    "name": "return_to",
    "in": "query",
    "required": False,
    "description": "The page of an application that picks up the login with the parameter `code`;"
    " one that the operator lets through. A login that is refused comes back to it with"
    " `error=login_refused`. Without it the callback answers the browser.",
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

log = logging.getLogger(__name__)

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


class LoginFinished(LoginAnswered):
    """As of a login; or only is_linked, for somebody who linked an account."""

    is_linked: bool | None = None


class ExternalIdentityRemoved(BaseModel):
    external_identity_id: str
    is_removed: bool


LINK_BODY = TypeAdapter(LinkBody)
EXCHANGE_BODY = TypeAdapter(ExchangeBody)


@contextmanager
def _reasons_logged(call: Call) -> Generator[None]:
    """Whoever tries to sign in hears only that it failed."""
    try:
        yield
    except LoginRefused as refusal:
        log.warning("request %s: a login was refused: %s", call.request_id, refusal.reason)
        raise


@contextmanager
def _browser_sent_back(call: Call) -> Generator[None]:
    """Who is refused ends where the login began, and not on an answer for programs. Where nothing
    says where that was, a browser ends on our own page.
    """
    try:
        yield
    except LoginRefused as refusal:
        is_browser = b"text/html" in call.headers.get(b"accept", b"")
        page = refusal.return_to or (call.edge.oauth.own_page if is_browser else None)
        if page is not None:
            call.scope[SENT_TO_SCOPE_KEY] = returning(page, error=refusal.code)
        raise


async def start(call: Call) -> Response:
    query = _query(call)
    with _reasons_logged(call):
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
    with _reasons_logged(call), _browser_sent_back(call):
        finished = await call.edge.oauth.finish(query, _cookie(call, name), call.origin())
    response = await _finished(call, finished)
    response.headers["Set-Cookie"] = f"{name}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
    return response


async def _finished(call: Call, finished: Finished) -> Response:
    if finished.return_to is not None:
        headers = {"Location": finished.return_to}
        return Response(status_code=HTTPStatus.FOUND.value, headers=headers)
    if finished.is_linked:
        return call.secret_answer({"is_linked": True}, HTTPStatus.OK)
    return await _session(call, finished.signed_in)


async def exchange(call: Call) -> Response:
    body = await call.body(EXCHANGE_BODY)
    with _reasons_logged(call):
        signed_in = await call.edge.oauth.pick_up(body.code, body.code_verifier)
    return await _session(call, signed_in)


async def _session(call: Call, signed_in: SignedIn) -> Response:
    """A second factor is the provider's business, as far as the tenant's rules leave it to it."""
    answer = await call.edge.logins.flow.go_on(
        signed_in.tenant_id,
        signed_in.user_id,
        signed_in.factors,
        call.origin(),
        is_second_due=False,
    )
    return answered(call, answer)


async def link(call: Call) -> Response:
    require(call.caller, RemoveExternalIdentity.requires)
    body = await call.body(LINK_BODY)
    with _reasons_logged(call):
        begun, url = await call.edge.oauth.start_link(call.caller, body.provider)
    response = call.secret_answer({"authorization_url": url}, HTTPStatus.OK)
    response.headers["Set-Cookie"] = _cookie_set(begun)
    return response


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


def _redirecting(documentation: Documentation, *, is_always: bool) -> Documentation:
    """A browser is sent on: always, or instead of the answer."""
    sent_on: dict[str, Any] = {
        "description": "The browser is sent on",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
    responses = {**documentation["responses"], HTTPStatus.FOUND.value: sent_on}
    if not is_always:
        return {**documentation, "responses": responses}
    responses.pop(HTTPStatus.OK.value, None)
    status = {"status_code": HTTPStatus.FOUND.value, "response_model": None}
    return {**documentation, **status, "responses": responses}


def _with_query(documentation: Documentation, parameters: list[Any]) -> Documentation:
    extra = {**documentation["openapi_extra"], "parameters": parameters}
    return {**documentation, "openapi_extra": extra}


START = _redirecting(
    _with_query(
        {
            **documented_open(
                "startLogin",
                "Send a browser to an identity provider",
                answers=Answered[LinkBegun],
                body=None,
                example=None,
                refusals=[IdentityProviderNotFound, LoginRefused],
            ),
            PATH_PARAMETERS: {"name": NAME},
        },
        [RETURN_TO, CODE_CHALLENGE],
    ),
    is_always=True,
)
CALLBACK = _redirecting(
    _with_query(
        documented_open(
            "finishLogin",
            "Where the identity provider sends the browser back to",
            answers=Answered[LoginFinished],
            body=None,
            example=None,
            refusals=[IdentityTaken, LoginRefused],
        ),
        CALLBACK_QUERY,
    ),
    is_always=False,
)
EXCHANGE = documented_open(
    "exchangeLogin",
    "Change the code of a login for a session",
    answers=Answered[LoginAnswered],
    body="ExchangeBody",
    example={"code": "A" * 64, "code_verifier": "A" * 43},
    refusals=[LoginRefused],
)
LINK = documented_personal(
    "linkIdentity",
    "Begin to link an account at a provider to oneself",
    requires=RemoveExternalIdentity.requires,
    answers=Answered[LinkBegun],
    body="LinkBody",
    example={"provider": "acme"},
    refusals=[IdentityProviderNotFound, LoginRefused],
)
REMOVE = documented(
    "removeIdentity",
    "Sign in with that account no more",
    requires=RemoveExternalIdentity.requires,
    answers=Answered[ExternalIdentityRemoved],
    refusals=[ExternalIdentityNotFound],
)

ROUTES = (
    Route("GET", f"{PREFIX}/oauth/{{tenant_id}}/{{name}}/start", START, start, STRANGER),
    Route("GET", CALLBACK_PATH, CALLBACK, callback, STRANGER),
    Route("POST", f"{PREFIX}/oauth/exchange", EXCHANGE, exchange, STRANGER),
    Route("POST", f"{PREFIX}/identities/link", LINK, link),
    Route("DELETE", f"{PREFIX}/identities/{{identity_id}}", REMOVE, remove),
)
BODIES = (LINK_BODY, EXCHANGE_BODY)
