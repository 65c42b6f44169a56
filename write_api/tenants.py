"""POST /tenants: the operator's only route. PUT /retention: how long a tenant keeps payloads."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.tenants import CreateTenant, SetRetention
from domain.errors import NotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name

RETENTION_DAYS_MAX = 3650

EmailAddress = Annotated[
    str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
]
Password = Annotated[str, StringConstraints(min_length=12, max_length=72)]


class AdminBody(BaseModel):
    model_config = STRICT

    email: EmailAddress
    password: Password


class TenantBody(BaseModel):
    model_config = STRICT

    name: Name
    admin: AdminBody


class TenantCreated(BaseModel):
    """api_key: the administrator's first key. It is not stored: a replayed answer lacks it and has
    key_shown false.
    """

    tenant_id: str
    user_id: str
    api_key_id: str
    key_shown: bool
    api_key: str | None = None


class RetentionBody(BaseModel):
    """payload_days: null keeps payloads for ever. It governs runs that begin after it was set."""

    model_config = STRICT

    payload_days: Annotated[int, Field(ge=1, le=RETENTION_DAYS_MAX)] | None


class Retention(BaseModel):
    payload_days: int | None


TENANT_BODY = TypeAdapter(TenantBody)
RETENTION_BODY = TypeAdapter(RetentionBody)


@route(
    "POST",
    "/api/v1/tenants",
    documented(
        "createTenant",
        "Create a tenant with its administrator",
        requires=CreateTenant.requires,
        answers=Answered[TenantCreated],
        status=HTTPStatus.CREATED,
        body="TenantBody",
        example={
            "name": "Acme",
            "admin": {"email": "ada@example.com", "password": "correct horse battery"},
        },
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(TENANT_BODY)
    command = CreateTenant(body.name, body.admin.email, body.admin.password)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PUT",
    "/api/v1/retention",
    documented(
        "setRetention",
        "Remove the payloads of finished executions after some days",
        requires=SetRetention.requires,
        answers=Answered[Retention],
        body="RetentionBody",
        example={"payload_days": 30},
        refusals=[NotFound],
    ),
)
async def put_retention(call: Call) -> Response:
    body = await call.body(RETENTION_BODY)
    return await call.answer(SetRetention(body.payload_days), HTTPStatus.OK)


ROUTES = (create, put_retention)
BODIES = (TENANT_BODY, RETENTION_BODY)
