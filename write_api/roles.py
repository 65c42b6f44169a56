"""POST /roles, PATCH and DELETE /roles/{id}."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import SCOPES_MAX
from commands.roles import ChangeRole, CreateRole, DeleteRole, RoleChanges, RoleInUse
from domain.errors import Stale
from domain.roles import RoleNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name

PERMISSION_CHARACTERS_MAX = 64

Permissions = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=PERMISSION_CHARACTERS_MAX)]],
    Field(
        max_length=2 * SCOPES_MAX,
        description="As GraphQL's `permissions` tells them: scopes, and with `:own` behind them"
        " scopes that reach only what is one's own.",
    ),
]


class RoleBody(BaseModel):
    model_config = STRICT

    name: Name
    permissions: Permissions


class RolePatch(BaseModel):
    model_config = STRICT

    name: Name | None = None
    permissions: Permissions | None = None


class RoleTold(BaseModel):
    role_id: str
    name: str
    permissions: list[str]
    version: int


class RoleDeleted(BaseModel):
    role_id: str
    is_deleted: bool


ROLE_BODY = TypeAdapter(RoleBody)
ROLE_PATCH = TypeAdapter(RolePatch)


@route(
    "POST",
    "/api/v1/roles",
    documented(
        "createRole",
        "Create a role from permissions that you hold",
        requires=CreateRole.requires,
        answers=Answered[RoleTold],
        status=HTTPStatus.CREATED,
        body="RoleBody",
        example={"name": "Reader", "permissions": ["read"]},
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(ROLE_BODY)
    return await call.answer(CreateRole(body.name, body.permissions), HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/roles/{role_id}",
    documented(
        "changeRole",
        "Change what a role lets people do, from their next request on",
        requires=ChangeRole.requires,
        answers=Answered[RoleTold],
        body="RolePatch",
        example={"permissions": ["read"]},
        refusals=[RoleNotFound, Stale],
    ),
)
async def change(call: Call) -> Response:
    body = await call.body(ROLE_PATCH)
    changes = RoleChanges()
    if body.name is not None:
        changes["name"] = body.name
    if body.permissions is not None:
        changes["permissions"] = body.permissions
    command = ChangeRole(call.id("role_id"), changes, call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/roles/{role_id}",
    documented(
        "deleteRole",
        "Delete a role that nobody has",
        requires=DeleteRole.requires,
        answers=Answered[RoleDeleted],
        refusals=[RoleNotFound, RoleInUse, Stale],
    ),
)
async def delete(call: Call) -> Response:
    return await call.answer(DeleteRole(call.id("role_id"), call.expected_version), HTTPStatus.OK)


ROUTES = (create, change, delete)
BODIES = (ROLE_BODY, ROLE_PATCH)
