"""POST /tenants: the operator's only route."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.tenants import CreateTenant
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name

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


TENANT_BODY = TypeAdapter(TenantBody)


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


ROUTES = (create,)
BODIES = (TENANT_BODY,)
