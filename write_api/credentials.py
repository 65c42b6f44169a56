"""POST /api-keys, PUT /api-keys/{id}/allowed-addresses and /scopes, POST /api-keys/{id}/rotate,
DELETE /api-keys/{id}.
"""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import SCOPES_MAX
from commands.credentials import (
    ADDRESSES_MAX,
    OVERLAP_S_MAX,
    ChangeApiKeyScopes,
    CreateApiKey,
    RestrictApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from domain.credentials import ApiKeyNotFound, ApiKeyRevoked
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Instant, Name

AllowedAddresses = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=64)]],
    Field(
        max_length=ADDRESSES_MAX,
        description="Networks or addresses, IPv4 or IPv6; none: from everywhere.",
    ),
]


Scopes = Annotated[list[str], Field(min_length=1, max_length=SCOPES_MAX)]


class ApiKeyBody(BaseModel):
    model_config = STRICT

    name: Name
    scopes: Scopes
    expires_at: Instant | None = None
    allowed_addresses: AllowedAddresses = []


class ScopesBody(BaseModel):
    """All that the key is to have."""

    model_config = STRICT

    scopes: Scopes


class AllowedAddressesBody(BaseModel):
    model_config = STRICT

    allowed_addresses: AllowedAddresses


class ApiKeyRotation(BaseModel):
    """overlap_s: for how long the secret so far holds beside the new one; an older one ends now."""

    model_config = STRICT

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)] = 0


class ApiKeyCreated(BaseModel):
    """api_key: the secret. It is not stored: a replayed answer lacks it and has key_shown false."""

    api_key_id: str
    name: str
    prefix: str
    scopes: list[str]
    expires_at: str | None
    allowed_addresses: list[str]
    key_shown: bool
    api_key: str | None = None


class ApiKeyRescoped(BaseModel):
    api_key_id: str
    scopes: list[str]


class ApiKeyRestricted(BaseModel):
    api_key_id: str
    allowed_addresses: list[str]


class ApiKeyRotated(BaseModel):
    """api_key: the new secret, as of ApiKeyCreated. previous_until: when the old one ends."""

    api_key_id: str
    prefix: str
    previous_until: str
    key_shown: bool
    api_key: str | None = None


class RevokedApiKey(BaseModel):
    api_key_id: str
    is_revoked: bool


API_KEY_BODY = TypeAdapter(ApiKeyBody)
SCOPES_BODY = TypeAdapter(ScopesBody)
ALLOWED_ADDRESSES_BODY = TypeAdapter(AllowedAddressesBody)
ROTATION_BODY = TypeAdapter(ApiKeyRotation)


@route(
    "POST",
    "/api/v1/api-keys",
    documented(
        "createApiKey",
        "Create an API key, shown once",
        requires=CreateApiKey.requires,
        answers=Answered[ApiKeyCreated],
        status=HTTPStatus.CREATED,
        body="ApiKeyBody",
        example={"name": "reporting", "scopes": ["read"]},
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(API_KEY_BODY)
    command = CreateApiKey(body.name, body.scopes, body.expires_at, body.allowed_addresses)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PUT",
    "/api/v1/api-keys/{api_key_id}/scopes",
    documented(
        "changeApiKeyScopes",
        "Say what an API key may do, its secret stays: more only by whose key it is",
        requires=ChangeApiKeyScopes.requires,
        answers=Answered[ApiKeyRescoped],
        body="ScopesBody",
        example={"scopes": ["read"]},
        refusals=[ApiKeyNotFound, ApiKeyRevoked],
    ),
)
async def change_scopes(call: Call) -> Response:
    body = await call.body(SCOPES_BODY)
    command = ChangeApiKeyScopes(call.id("api_key_id"), body.scopes)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/api-keys/{api_key_id}/allowed-addresses",
    documented(
        "restrictApiKey",
        "Say from where an API key may be used",
        requires=RestrictApiKey.requires,
        answers=Answered[ApiKeyRestricted],
        body="AllowedAddressesBody",
        example={"allowed_addresses": ["192.0.2.0/24", "2001:db8::/32"]},
        refusals=[ApiKeyNotFound, ApiKeyRevoked],
    ),
)
async def restrict(call: Call) -> Response:
    body = await call.body(ALLOWED_ADDRESSES_BODY)
    command = RestrictApiKey(call.id("api_key_id"), body.allowed_addresses)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/api-keys/{api_key_id}/rotate",
    documented(
        "rotateApiKey",
        "Replace the secret of an API key; the new one is shown once",
        requires=RotateApiKey.requires,
        answers=Answered[ApiKeyRotated],
        body="ApiKeyRotation",
        is_body_required=False,
        example={"overlap_s": 3600},
        refusals=[ApiKeyNotFound, ApiKeyRevoked],
    ),
)
async def rotate(call: Call) -> Response:
    body = await call.optional_body(ROTATION_BODY)
    return await call.answer(RotateApiKey(call.id("api_key_id"), body.overlap_s), HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/api-keys/{api_key_id}",
    documented(
        "revokeApiKey",
        "Revoke an API key, at once and for good",
        requires=RevokeApiKey.requires,
        answers=Answered[RevokedApiKey],
        refusals=[ApiKeyNotFound],
    ),
)
async def revoke(call: Call) -> Response:
    return await call.answer(RevokeApiKey(call.id("api_key_id")), HTTPStatus.OK)


ROUTES = (create, change_scopes, restrict, rotate, revoke)
BODIES = (API_KEY_BODY, SCOPES_BODY, ALLOWED_ADDRESSES_BODY, ROTATION_BODY)
