"""PUT and DELETE /secrets/{name}."""

from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.secrets import PutSecret, RemoveSecret
from domain.allowed_hosts import ALLOWED_HOSTS_MAX
from domain.errors import FieldError, Invalid
from domain.secret_references import NAME_PATTERN
from domain.secrets import SecretNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT

# A shorter one would be found everywhere in what servers answer, where it must be blotted out.
VALUE_CHARACTERS_MIN = 4
VALUE_CHARACTERS_MAX = 16_384

Scope = Literal["tenant", "user"]
Value = Annotated[
    str, StringConstraints(min_length=VALUE_CHARACTERS_MIN, max_length=VALUE_CHARACTERS_MAX)
]
Host = Annotated[str, StringConstraints(min_length=1, max_length=300)]

NAMED = {
    "name": {
        "description": "As nodes refer to it.",
        "schema": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
    }
}
SCOPE = {
    "name": "scope",
    "in": "query",
    "required": False,
    "description": "`user` is the caller's own, not the tenant's.",
    "schema": {"type": "string", "enum": ["tenant", "user"], "default": "tenant"},
}


class SecretBody(BaseModel):
    """scope: `user` is for the runs that you start only, and wins over the tenant's of that name.

    allowed_hosts: where http nodes may send it, such as `api.example.com`, `*.example.com`,
    `http://localhost:9000`, or `*`; without any, nowhere.
    """

    model_config = STRICT

    value: Value
    scope: Scope = "tenant"
    allowed_hosts: Annotated[list[Host], Field(max_length=ALLOWED_HOSTS_MAX)] = Field(
        default_factory=list[str]
    )


class SecretStored(BaseModel):
    name: str
    scope: Scope
    value_version: int
    allowed_hosts: list[str]
    version: int


class SecretRemoved(SecretStored):
    is_removed: bool


SECRET_BODY = TypeAdapter(SecretBody)


@route(
    "PUT",
    "/api/v1/secrets/{name}",
    documented(
        "putSecret",
        "Keep a secret, or replace its value; it is never told again",
        requires=PutSecret.requires,
        answers=Answered[SecretStored],
        body="SecretBody",
        example={"value": "ghp_example", "allowed_hosts": ["api.github.com"]},
        path_parameters=NAMED,
    ),
)
async def put(call: Call) -> Response:
    body = await call.body(SECRET_BODY)
    command = PutSecret(
        call.text("name"), body.value, body.allowed_hosts, is_own=body.scope == "user"
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/secrets/{name}",
    documented(
        "removeSecret",
        "Remove a secret; runs that need it fail from now on",
        requires=RemoveSecret.requires,
        answers=Answered[SecretRemoved],
        refusals=[SecretNotFound],
        path_parameters=NAMED,
        parameters=[SCOPE],
    ),
)
async def remove(call: Call) -> Response:
    command = RemoveSecret(call.text("name"), is_own=read_scope(call) == "user")
    return await call.answer(command, HTTPStatus.OK)


def read_scope(call: Call) -> str:
    """The query parameter `scope`, `tenant` without it. Raises Invalid."""
    query = parse_qs(call.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    scope = query.get("scope", ["tenant"])[-1]
    if scope not in ("tenant", "user"):
        reason = "tenant or user is expected"
        raise Invalid(errors=[FieldError("query:scope", "invalid_scope", reason)])
    return scope


ROUTES = (put, remove)
BODIES = (SECRET_BODY,)
