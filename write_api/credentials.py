"""POST /api-keys, DELETE /api-keys/{id}."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import Response

from commands.authorization import SCOPES_MAX
from commands.credentials import CreateApiKey, RevokeApiKey
from domain.credentials import ApiKeyNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Instant, Name


class ApiKeyBody(BaseModel):
    model_config = STRICT

    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=SCOPES_MAX)]
    expires_at: Instant | None = None


class ApiKeyCreated(BaseModel):
    """api_key: the secret. It is not stored: a replayed answer lacks it and has key_shown false."""

    api_key_id: str
    name: str
    prefix: str
    scopes: list[str]
    expires_at: str | None
    key_shown: bool
    api_key: str | None = None


class ApiKeyRevoked(BaseModel):
    api_key_id: str
    is_revoked: bool


API_KEY_BODY = TypeAdapter(ApiKeyBody)


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
    command = CreateApiKey(body.name, body.scopes, body.expires_at)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "DELETE",
    "/api/v1/api-keys/{api_key_id}",
    documented(
        "revokeApiKey",
        "Revoke an API key, at once and for good",
        requires=RevokeApiKey.requires,
        answers=Answered[ApiKeyRevoked],
        refusals=[ApiKeyNotFound],
    ),
)
async def revoke(call: Call) -> Response:
    return await call.answer(RevokeApiKey(call.id("api_key_id")), HTTPStatus.OK)


ROUTES = (create, revoke)
BODIES = (API_KEY_BODY,)
