"""PUT and DELETE /providers/{name}, POST /providers/{name}/test."""

from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from commands.authorization import require
from commands.providers import PutProvider, RemoveProvider
from domain.providers import (
    ADDRESS_CHARACTERS_MAX,
    KINDS,
    MODEL_CHARACTERS_MAX,
    MODELS_MAX,
    NAME_PATTERN,
    ProviderNotFound,
)
from domain.secret_references import NAME_PATTERN as SECRET_NAME_PATTERN
from domain.secret_references import SecretReference, is_secret_name
from write_api.edge import Call, json_response
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.secrets import (
    SCOPE,
    VALUE_CHARACTERS_MAX,
    VALUE_CHARACTERS_MIN,
    Scope,
    read_scope,
)
from write_api.shapes import STRICT

Address = Annotated[str, StringConstraints(min_length=1, max_length=ADDRESS_CHARACTERS_MAX)]
Model = Annotated[str, StringConstraints(min_length=1, max_length=MODEL_CHARACTERS_MAX)]
KEY_REASON = (
    f"api_key is text of {VALUE_CHARACTERS_MIN} to {VALUE_CHARACTERS_MAX} characters,"
    ' or {"$secret": "name"}'
)

NAMED = {
    "name": {
        "description": "What comes before the first `/` in the names of its models.",
        "schema": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
    }
}


def _checked_key(raw: object) -> str | SecretReference | None:
    """One mistake, which a union of two types would tell twice."""
    match raw:
        case None:
            return None
        case str() if VALUE_CHARACTERS_MIN <= len(raw) <= VALUE_CHARACTERS_MAX:
            return raw
        case {"$secret": str(name)} if raw == {"$secret": name} and is_secret_name(name):
            return SecretReference("/api_key", name)
        case _:
            raise PydanticCustomError("invalid_key", KEY_REASON)  # pyright: ignore[reportArgumentType]


Key = Annotated[
    str | SecretReference | None,
    PlainValidator(_checked_key),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "minLength": VALUE_CHARACTERS_MIN,
                    "maxLength": VALUE_CHARACTERS_MAX,
                },
                {
                    "type": "object",
                    "properties": {
                        "$secret": {"type": "string", "pattern": f"^{SECRET_NAME_PATTERN}$"}
                    },
                    "required": ["$secret"],
                    "additionalProperties": False,
                },
                {"type": "null"},
            ],
            "default": None,
        }
    ),
]


class ProviderBody(BaseModel):
    """kind: openai, anthropic, gemini, azure, ollama, ..., or openai_compatible for any server that
    speaks OpenAI's protocol. models: those that may be called; none is all. All of it is replaced
    each time, the key too. scope: `user` is for the runs that you start only, and wins.
    """

    model_config = STRICT

    kind: Annotated[str, Field(json_schema_extra={"enum": [*sorted(KINDS)]})]
    api_base: Address | None = None
    api_key: Key = None
    models: Annotated[list[Model], Field(max_length=MODELS_MAX)] = Field(default_factory=list[str])
    scope: Scope = "tenant"


class ProviderTestBody(BaseModel):
    """model: as the provider calls it, without the provider's name."""

    model_config = STRICT

    model: Model
    scope: Scope = "tenant"


class ProviderConfigured(BaseModel):
    name: str
    scope: Scope
    kind: str
    api_base: str | None
    models: list[str]
    has_key: bool
    key_from: str | None
    provider_version: int
    version: int


class ProviderRemoved(BaseModel):
    name: str
    scope: Scope
    version: int
    is_removed: bool


class ProviderTested(BaseModel):
    """code, message: why not."""

    ok: bool
    model: str
    code: str | None
    message: str | None


class ProviderTestAnswer(BaseModel):
    data: ProviderTested
    meta: dict[Literal["request_id"], str]


PROVIDER_BODY = TypeAdapter(ProviderBody)
PROVIDER_TEST_BODY = TypeAdapter(ProviderTestBody)


@route(
    "PUT",
    "/api/v1/providers/{name}",
    documented(
        "putProvider",
        "Call models of `<name>/...` through a provider of one's own",
        requires=PutProvider.requires,
        answers=Answered[ProviderConfigured],
        body="ProviderBody",
        example={"kind": "openai", "api_key": "sk-example", "models": ["gpt-4o-mini"]},
        path_parameters=NAMED,
    ),
)
async def put(call: Call) -> Response:
    body = await call.body(PROVIDER_BODY)
    key = body.api_key
    command = PutProvider(
        call.text("name"),
        body.kind,
        body.api_base,
        None if isinstance(key, SecretReference) else key,
        key_from=key.name if isinstance(key, SecretReference) else None,
        models=body.models,
        is_own=body.scope == "user",
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/providers/{name}",
    documented(
        "removeProvider",
        "Remove a provider with its key; its models are the platform's again, if it has any",
        requires=RemoveProvider.requires,
        answers=Answered[ProviderRemoved],
        refusals=[ProviderNotFound],
        path_parameters=NAMED,
        parameters=[SCOPE],
    ),
)
async def remove(call: Call) -> Response:
    command = RemoveProvider(call.text("name"), is_own=read_scope(call) == "user")
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/providers/{name}/test",
    documented(
        "testProvider",
        "Make one call of one token, and tell whether it worked, or why not",
        requires=PutProvider.requires,
        answers=ProviderTestAnswer,
        body="ProviderTestBody",
        example={"model": "gpt-4o-mini"},
        refusals=[ProviderNotFound],
        path_parameters=NAMED,
    ),
)
async def test(call: Call) -> Response:
    require(call.caller, PutProvider.requires)
    body = await call.body(PROVIDER_TEST_BODY)
    tenant_id = call.caller.tenant_id
    user_id = call.caller.user_id if body.scope == "user" else None
    told = None
    if tenant_id is not None:
        tests = call.edge.provider_tests
        told = await tests.tried(tenant_id, user_id, call.text("name"), body.model)
    if told is None:
        raise ProviderNotFound
    meta = {"request_id": str(call.request_id)}
    return json_response({"data": told, "meta": {**meta}}, HTTPStatus.OK)


ROUTES = (put, remove, test)
BODIES = (PROVIDER_BODY, PROVIDER_TEST_BODY)
