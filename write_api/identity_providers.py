"""PUT and DELETE /identity-providers/{name}, POST /identity-providers/{name}/scim-token: where the
people of a tenant may sign in, and whose directory brings them.
"""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.identity_providers import (
    IssueDirectoryToken,
    PutIdentityProvider,
    RemoveIdentityProvider,
)
from domain.identity_providers import IdentityProviderNotFound, Kind, NoDirectory
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT

DOMAINS_MAX = 100
GROUPS_MAX = 200

Line = StringConstraints(min_length=1, max_length=512, pattern=r"^[ -~]+$")
Role = Annotated[str, StringConstraints(min_length=1, max_length=36)]
Group = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Domain = Annotated[str, StringConstraints(min_length=1, max_length=253)]

NAME = {
    "description": "Of the provider, in the URLs of logins.",
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
    "example": "acme",
}


class IdentityProviderBody(BaseModel):
    """issuer: of kind oidc only. client_secret: may be left out when nothing changes about the
    client. allowed_domains: whose verified addresses come in without an invitation; none: nobody's.
    default_role, group_roles: ADMIN, USER, VIEWER, RESELLER, or the id of a role.
    """

    model_config = STRICT

    kind: Kind
    issuer: Annotated[str, Line] | None = None
    client_id: Annotated[str, Line]
    client_secret: Annotated[str, Line] | None = None
    allowed_domains: Annotated[list[Domain], Field(max_length=DOMAINS_MAX)] = []
    default_role: Role
    group_roles: Annotated[dict[Group, Role], Field(max_length=GROUPS_MAX)] = {}
    scim: bool = False


class IdentityProviderConfigured(BaseModel):
    """The client secret is never told."""

    name: str
    kind: str
    issuer: str | None
    client_id: str
    allowed_domains: list[str]
    default_role: str
    group_roles: dict[str, Any]
    scim: bool
    version: int


class IdentityProviderPut(IdentityProviderConfigured):
    """roles_changed: of how many people whose groups give them another role from now on."""

    roles_changed: int


class IdentityProviderRemoved(IdentityProviderConfigured):
    """ended_count: of sessions that were begun there; all end, and 500 at most are counted."""

    is_removed: bool
    ended_count: int


class ScimTokenIssued(BaseModel):
    """api_key: the secret, for the directory at /scim/v2. It is not stored: a replayed answer lacks
    it and has key_shown false. Revoke it as any API key.
    """

    name: str
    api_key_id: str
    prefix: str
    key_shown: bool
    api_key: str | None = None


IDENTITY_PROVIDER_BODY = TypeAdapter(IdentityProviderBody)


@route(
    "PUT",
    "/api/v1/identity-providers/{name}",
    documented(
        "putIdentityProvider",
        "Let people sign in at a provider",
        requires=PutIdentityProvider.requires,
        answers=Answered[IdentityProviderPut],
        body="IdentityProviderBody",
        example={
            "kind": "oidc",
            "issuer": "https://login.example.com",
            "client_id": "agentledger",
            "client_secret": "shown to you by the provider",
            "allowed_domains": ["example.com"],
            "default_role": "VIEWER",
            "group_roles": {"platform": "USER"},
        },
        path_parameters={"name": NAME},
    ),
)
async def put(call: Call) -> Response:
    body = await call.body(IDENTITY_PROVIDER_BODY)
    command = PutIdentityProvider(
        name=call.text("name"),
        kind=body.kind,
        issuer=body.issuer,
        client_id=body.client_id,
        client_secret=body.client_secret,
        allowed_domains=body.allowed_domains,
        default_role=body.default_role,
        group_roles=body.group_roles,
        is_directory=body.scim,
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/identity-providers/{name}",
    documented(
        "removeIdentityProvider",
        "Let nobody sign in there any more",
        requires=RemoveIdentityProvider.requires,
        answers=Answered[IdentityProviderRemoved],
        refusals=[IdentityProviderNotFound],
        path_parameters={"name": NAME},
    ),
)
async def remove(call: Call) -> Response:
    return await call.answer(RemoveIdentityProvider(call.text("name")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/identity-providers/{name}/scim-token",
    documented(
        "issueScimToken",
        "A token for the directory of the provider, shown once",
        requires=IssueDirectoryToken.requires,
        answers=Answered[ScimTokenIssued],
        status=HTTPStatus.CREATED,
        refusals=[IdentityProviderNotFound, NoDirectory],
        path_parameters={"name": NAME},
    ),
)
async def issue_scim_token(call: Call) -> Response:
    return await call.answer(IssueDirectoryToken(call.text("name")), HTTPStatus.CREATED)


ROUTES = (put, remove, issue_scim_token)
BODIES = (IDENTITY_PROVIDER_BODY,)
