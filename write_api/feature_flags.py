"""GET /feature-flags, PUT and DELETE /feature-flags/{name}: what the operator says of features.

GET /tenants/{id}/feature-flags, PUT .../{name}: what is on for a tenant, and what the operator
overrides.
PUT /tenant/feature-flags/{name}: an administrator's own, where the flag lets tenants.
"""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import require
from commands.feature_flags import DefineFlag, OverrideFlag, OverrideOwnFlag, RemoveFlag
from commands.feature_port import TenantFeatures
from domain.feature_flags import (
    BUILT_IN,
    NAME_PATTERN,
    FeatureFlagNotFound,
    FlagText,
    NotForTenants,
)
from domain.identifiers import Json, JsonObject, TenantId
from domain.identity import UserNotFound
from domain.tenants import TenantNotFound, TooManyOverrides
from write_api.edge import Call, json_response
from write_api.openapi import Answered, documented, documented_query
from write_api.routes import route
from write_api.shapes import STRICT

FLAG_NAME = {"name": {"schema": {"type": "string", "pattern": f"^{NAME_PATTERN}$"}}}
SCOPE = DefineFlag.requires


class FlagBody(BaseModel):
    """is_enabled: for all, where no percentage is given. percentage: on for so many of the tenants
    or of the people, always the same ones. is_for_tenants: whether administrators may override it
    for their tenant and its people.
    """

    model_config = STRICT

    description: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    is_enabled: bool
    percentage: Annotated[int, Field(ge=0, le=100)] | None = None
    rollout_by: Literal["tenant", "user"] = "tenant"
    is_for_tenants: bool = False


class OverrideBody(BaseModel):
    """is_enabled: null takes the override away. user_id: for one person; null: the whole tenant."""

    model_config = STRICT

    is_enabled: bool | None
    user_id: (
        Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
        | None
    ) = None

    def person(self) -> UUID | None:
        return None if self.user_id is None else UUID(self.user_id)


class FlagListed(BaseModel):
    """is_built_in: the platform itself asks it."""

    name: str
    description: str
    is_enabled: bool
    percentage: int | None
    rollout_by: str
    is_for_tenants: bool
    is_built_in: bool


class FlagsListed(BaseModel):
    flags: list[FlagListed]


class FlagTold(BaseModel):
    name: str
    description: str
    is_enabled: bool
    percentage: int | None
    rollout_by: str
    is_for_tenants: bool
    version: int


class FlagRemoved(BaseModel):
    name: str
    is_removed: bool


class OverrideTold(BaseModel):
    tenant_id: str
    name: str
    user_id: str | None
    is_enabled: bool | None


class Overriding(BaseModel):
    user_id: str | None
    is_by_operator: bool
    is_enabled: bool


class TenantFlag(BaseModel):
    """enabled: for the tenant as a whole. reason: operator, user, tenant, rollout or default."""

    name: str
    enabled: bool
    reason: str
    overrides: list[Overriding]


class TenantFlags(BaseModel):
    flags: list[TenantFlag]


FLAG_BODY = TypeAdapter(FlagBody)
OVERRIDE_BODY = TypeAdapter(OverrideBody)


@route(
    "PUT",
    "/api/v1/feature-flags/{name}",
    documented(
        "defineFlag",
        "Say for whom a feature is on",
        requires=SCOPE,
        answers=Answered[FlagTold],
        body="FlagBody",
        example={"description": "bring people by SCIM", "is_enabled": False, "percentage": 20},
        path_parameters=FLAG_NAME,
    ),
)
async def define(call: Call) -> Response:
    body = await call.body(FLAG_BODY)
    text = FlagText(
        body.description,
        body.is_enabled,
        body.percentage,
        body.rollout_by,
        body.is_for_tenants,
    )
    return await call.answer(DefineFlag(call.text("name"), text), HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/feature-flags/{name}",
    documented(
        "removeFlag",
        "Remove a flag; one of the platform's own is on again",
        requires=SCOPE,
        answers=Answered[FlagRemoved],
        refusals=[FeatureFlagNotFound],
        path_parameters=FLAG_NAME,
    ),
)
async def remove(call: Call) -> Response:
    return await call.answer(RemoveFlag(call.text("name")), HTTPStatus.OK)


@route(
    "GET",
    "/api/v1/feature-flags",
    documented_query(
        "listFlags",
        "Every flag, those of the platform among them",
        requires=SCOPE,
        answers=Answered[FlagsListed],
    ),
    is_sensitive=False,
)
async def listed(call: Call) -> Response:
    require(call.caller, SCOPE)
    texts = (await call.edge.features.defined()).texts
    return _told(
        call,
        [{"name": n, **texts[n].told(), "is_built_in": n in BUILT_IN} for n in sorted(texts)],
    )


@route(
    "PUT",
    "/api/v1/tenants/{tenant_id}/feature-flags/{name}",
    documented(
        "overrideFlag",
        "Switch a feature on or off for a tenant, or for one of its people",
        requires=SCOPE,
        answers=Answered[OverrideTold],
        body="OverrideBody",
        example={"is_enabled": False},
        refusals=[TenantNotFound, FeatureFlagNotFound, UserNotFound, TooManyOverrides],
        path_parameters=FLAG_NAME,
    ),
)
async def override(call: Call) -> Response:
    body = await call.body(OVERRIDE_BODY)
    command = OverrideFlag(call.id("tenant_id"), call.text("name"), body.is_enabled, body.person())
    return await call.answer(command, HTTPStatus.OK)


@route(
    "GET",
    "/api/v1/tenants/{tenant_id}/feature-flags",
    documented_query(
        "tenantFlags",
        "What is on for a tenant, and what overrides it",
        requires=SCOPE,
        answers=Answered[TenantFlags],
    ),
    is_sensitive=False,
)
async def of_tenant(call: Call) -> Response:
    require(call.caller, SCOPE)
    features = await call.edge.features.of(TenantId(call.id("tenant_id")))
    return _told(call, [_of_tenant(features, name) for name in sorted(features.texts)])


@route(
    "PUT",
    "/api/v1/tenant/feature-flags/{name}",
    documented(
        "overrideOwnFlag",
        "Switch a feature on or off for one's own tenant, or for one of its people",
        requires=OverrideOwnFlag.requires,
        answers=Answered[OverrideTold],
        body="OverrideBody",
        example={"is_enabled": False},
        refusals=[FeatureFlagNotFound, NotForTenants, UserNotFound, TooManyOverrides],
        path_parameters=FLAG_NAME,
    ),
)
async def override_own(call: Call) -> Response:
    body = await call.body(OVERRIDE_BODY)
    command = OverrideOwnFlag(call.text("name"), body.is_enabled, body.person())
    return await call.answer(command, HTTPStatus.OK)


def _of_tenant(features: TenantFeatures, name: str) -> JsonObject:
    is_on, reason = features.decided(name, None)
    overrides: list[Json] = [
        {
            "user_id": None if one.user_id is None else str(one.user_id),
            "is_by_operator": one.is_by_operator,
            "is_enabled": is_enabled,
        }
        for one, is_enabled in features.overrides.get(name, {}).items()
    ]
    return {"name": name, "enabled": is_on, "reason": reason, "overrides": overrides}


def _told(call: Call, flags: list[JsonObject]) -> Response:
    meta: JsonObject = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": {"flags": [*flags]}, "meta": meta}, HTTPStatus.OK)


ROUTES = (define, remove, listed, override, of_tenant, override_own)
BODIES = (FLAG_BODY, OVERRIDE_BODY)
