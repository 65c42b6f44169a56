"""POST /auth/login, /auth/login/totp, /auth/refresh, /auth/logout; DELETE /auth/sessions and one of
them; GET /.well-known/jwks.json.

Nothing here is remembered under an idempotency key: the answers are secrets.
"""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.account_flow import NeedsSession
from commands.authorization import require
from commands.login_flow import (
    LoggedIn,
    LoginAnswer,
    RefreshRefused,
    SecondFactorNeeded,
    SetupNeeded,
    TenantNeeded,
)
from commands.sessions import EndSession, EndSessions
from domain.errors import FieldError, Forbidden, Invalid, NotFound, Unauthenticated
from domain.identifiers import Json, JsonObject, TenantId
from domain.logins import PASSWORD_BYTES_MAX
from domain.sessions import SessionNotFound
from write_api.edge import Call, Edge, json_response
from write_api.openapi import Answered, documented, documented_open
from write_api.routes import Route, route
from write_api.shapes import STRICT
from write_api.tenants import EmailAddress

TOKEN_CHARACTERS_MAX = 2048

Token = Annotated[str, StringConstraints(min_length=1, max_length=TOKEN_CHARACTERS_MAX)]
# Looked at, not set: whatever somebody once chose may be tried.
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_BYTES_MAX)]
Code = Annotated[str, StringConstraints(min_length=6, max_length=32)]


class LoginBody(BaseModel):
    """tenant_id: needed when the address has accounts in several tenants with this password."""

    model_config = STRICT

    email: EmailAddress
    password: GivenPassword
    tenant_id: Annotated[UUID | None, Field(strict=False)] = None


class SecondFactorBody(BaseModel):
    """code: of the authenticator, or a recovery code."""

    model_config = STRICT

    mfa_token: Token
    code: Code


class RefreshBody(BaseModel):
    model_config = STRICT

    refresh_token: Token


class LoggedInUser(BaseModel):
    id: str
    tenant_id: str
    email: str
    role: str


class SessionTokens(BaseModel):
    """expires_in: seconds, of the access token. The refresh token counts once: each refresh brings
    the next one.
    """

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: LoggedInUser


class LoginAnswered(BaseModel):
    """One of four: tokens; mfa_required with the mfa_token for POST /auth/login/totp;
    mfa_setup_required with the mfa_token for POST /auth/login/totp/enrol; or tenant_required with
    the tenants to choose from, for another login with tenant_id.
    """

    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str | None = None
    expires_in: int | None = None
    user: LoggedInUser | None = None
    mfa_required: bool | None = None
    mfa_setup_required: bool | None = None
    mfa_token: str | None = None
    tenant_required: bool | None = None
    tenant_ids: list[str] | None = None


class SessionEnded(BaseModel):
    session_id: str
    is_ended: bool


class SessionsEnded(BaseModel):
    ended_count: int


class Jwk(BaseModel):
    kty: str
    crv: str
    x: str
    kid: str
    alg: str
    use: str


class Jwks(BaseModel):
    """RFC 7517: the keys that access tokens are signed by; an unknown `kid` is a reason to ask
    again.
    """

    keys: list[Jwk]


LOGIN_BODY = TypeAdapter(LoginBody)
SECOND_FACTOR_BODY = TypeAdapter(SecondFactorBody)
REFRESH_BODY = TypeAdapter(RefreshBody)


async def login(call: Call) -> Response:
    body = await call.body(LOGIN_BODY)
    require_given(body.password, "/password")
    tenant_id = None if body.tenant_id is None else TenantId(body.tenant_id)
    flow = call.edge.logins.flow
    answer = await flow.login(body.email, body.password, tenant_id, call.origin())
    return answered(call, answer)


async def second_factor(call: Call) -> Response:
    body = await call.body(SECOND_FACTOR_BODY)
    flow = call.edge.logins.flow
    answer = await flow.second_factor(body.mfa_token, body.code, call.origin())
    return answered(call, answer)


async def refresh(call: Call) -> Response:
    body = await call.body(REFRESH_BODY)
    answer = await call.edge.logins.flow.refresh(body.refresh_token, call.origin())
    return answered(call, answer)


@route(
    "POST",
    "/api/v1/auth/logout",
    documented(
        "logout",
        "End the session of the access token",
        requires=EndSession.requires,
        answers=Answered[SessionEnded],
        refusals=[NotFound],
    ),
)
async def logout(call: Call) -> Response:
    require(call.caller, EndSession.requires)
    if call.caller.session_id is None:
        raise NeedsSession
    command = EndSession(call.caller.session_id, "logged_out")
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/auth/sessions/{session_id}",
    documented(
        "endSession",
        "End a session, at once; an administrator may end anybody's",
        requires=EndSession.requires,
        answers=Answered[SessionEnded],
        refusals=[SessionNotFound],
    ),
)
async def end_one(call: Call) -> Response:
    return await call.answer(EndSession(call.id("session_id")), HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/auth/sessions",
    documented(
        "endSessions",
        "End all of one's own sessions",
        requires=EndSessions.requires,
        answers=Answered[SessionsEnded],
        refusals=[SessionNotFound],
    ),
)
async def end_all(call: Call) -> Response:
    return await call.answer(EndSessions(), HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/users/{user_id}/sessions",
    documented(
        "endSessionsOfUser",
        "End all sessions of a user",
        requires=EndSessions.requires,
        answers=Answered[SessionsEnded],
        refusals=[SessionNotFound],
    ),
)
async def end_all_of_user(call: Call) -> Response:
    return await call.answer(EndSessions(call.id("user_id")), HTTPStatus.OK)


async def jwks(call: Call) -> Response:
    keys: list[Json] = [*await call.edge.logins.published_keys()]
    headers = {"Cache-Control": "public, max-age=60"}
    return json_response({"keys": keys}, HTTPStatus.OK, headers)


def require_given(password: str, path: str) -> None:
    """A longer one is nobody's. Raises Invalid."""
    if len(password.encode()) > PASSWORD_BYTES_MAX:
        reason = f"a password has at most {PASSWORD_BYTES_MAX} bytes of UTF-8"
        raise Invalid(errors=[FieldError(path, "password_too_long", reason)])


def session_tokens(answer: LoggedIn) -> JsonObject:
    """As SessionTokens has it."""
    return {
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token,
        "token_type": "Bearer",
        "expires_in": answer.expires_in_s,
        "user": {
            "id": str(answer.user_id),
            "tenant_id": str(answer.tenant_id),
            "email": answer.email,
            "role": answer.role,
        },
    }


def told_login(answer: LoginAnswer) -> JsonObject:
    """As LoginAnswered has it."""
    match answer:
        case LoggedIn():
            return session_tokens(answer)
        case SecondFactorNeeded():
            return {"mfa_required": True, "mfa_token": answer.mfa_token}
        case SetupNeeded():
            return {"mfa_setup_required": True, "mfa_token": answer.mfa_token}
        case TenantNeeded():
            ids: list[Json] = [str(tenant_id) for tenant_id in answer.tenant_ids]
            return {"tenant_required": True, "tenant_ids": ids}


def answered(call: Call, answer: LoginAnswer) -> Response:
    if isinstance(answer, LoggedIn):
        call.became(answer.tenant_id, answer.user_id)
    return call.secret_answer(told_login(answer), HTTPStatus.OK)


ROUTES = (
    Route(
        "POST",
        "/api/v1/auth/login",
        documented_open(
            "login",
            "Log in with an address and a password",
            answers=Answered[LoginAnswered],
            body="LoginBody",
            example={"email": "ada@example.com", "password": "correct horse battery"},
            refusals=[Unauthenticated, Forbidden],
        ),
        login,
        Edge.identify_login,
    ),
    Route(
        "POST",
        "/api/v1/auth/login/totp",
        documented_open(
            "loginWithSecondFactor",
            "Go on with a login by a code of the second factor",
            answers=Answered[SessionTokens],
            body="SecondFactorBody",
            example={"mfa_token": "eyJ...", "code": "123456"},
            refusals=[Unauthenticated, Forbidden],
        ),
        second_factor,
        Edge.identify_stranger,
    ),
    Route(
        "POST",
        "/api/v1/auth/refresh",
        documented_open(
            "refresh",
            "Exchange a refresh token for new tokens",
            answers=Answered[SessionTokens],
            body="RefreshBody",
            example={"refresh_token": "alr_..."},
            refusals=[RefreshRefused],
        ),
        refresh,
        Edge.identify_stranger,
    ),
    logout,
    end_one,
    end_all,
    end_all_of_user,
    Route(
        "GET",
        "/.well-known/jwks.json",
        documented_open(
            "jwks", "The public keys of access tokens", answers=Jwks, body=None, example=None
        ),
        jwks,
        Edge.identify_anybody,
        is_sensitive=False,
    ),
)
BODIES = (LOGIN_BODY, SECOND_FACTOR_BODY, REFRESH_BODY)
