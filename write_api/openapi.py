"""What the OpenAPI document says about a route. Endpoints read their requests themselves
(write_api/edge.py), so the framework cannot derive it; tests send what is documented and compare.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.responses import Response
from starlette.routing import BaseRoute

from commands.authorization import OPERATOR_SCOPES, RESELLER_SCOPES, TENANT_SCOPES
from domain.errors import (
    DomainError,
    Forbidden,
    Invalid,
    OverLimit,
    Refused,
    Stale,
    Unauthenticated,
    Unavailable,
)
from write_api.problem_details import PROBLEM_MEDIA_TYPE, TITLES, status_of
from write_api.requests import (
    WAIT_S_MAX,
    BodyTooLarge,
    UnparsableBody,
    UnsupportedMediaType,
)

Data = TypeVar("Data")
SCHEMA_REF = "#/components/schemas/{model}"
# Of the documentation of a route: told by name, for write_api/routes.py.
PATH_PARAMETERS = "path_parameters"
SCIM_SCHEME = "scim"
SCIM_PREFIX = "/scim/v2"

ANY_ROUTE: tuple[type[DomainError], ...] = (
    Unauthenticated,
    Forbidden,
    Invalid,
    OverLimit,
    Unavailable,
)
# In progress under the same idempotency key is a conflict, so every command can meet one.
ANY_COMMAND = (*ANY_ROUTE, Refused)
ANY_BODY = (UnparsableBody, BodyTooLarge, UnsupportedMediaType)


class Mistake(BaseModel):
    """path: JSON pointer into the body, or `header:`, `query:`, `path:` with the name of a
    parameter.
    """

    path: str
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Mistake]
    request_id: str


class Meta(BaseModel):
    """position: send it as `X-Min-Position` to read this write; null when nothing was written."""

    position: str | None
    request_id: str


class Answered(BaseModel, Generic[Data]):
    data: Data
    meta: Meta


class Page(BaseModel):
    next_cursor: str | None


class Listed(BaseModel, Generic[Data]):
    data: list[Data]
    meta: Meta
    page: Page


SECURITY_SCHEMES: Mapping[str, Any] = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or an access token: `Authorization: Bearer ...`.",
    },
    "operator_key": {"type": "apiKey", "in": "header", "name": "X-Operator-Key"},
    SCIM_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "What POST /api/v1/identity-providers/{name}/scim-token shows once.",
    },
}

IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "1 to 255 visible ASCII characters. The same key with the same body gets the first answer"
        " again (header `Idempotency-Replayed: true`, secrets left out), with another body a"
        " refusal."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
}
IF_MATCH: Mapping[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an earlier answer; refused when it has changed since.",
    "schema": {"type": "string", "pattern": '^("[0-9]{1,18}"|[*])$'},
}
WAIT_S: Mapping[str, Any] = {
    "name": "wait_s",
    "in": "query",
    "required": False,
    "description": "How long to wait for the end; 0 answers as soon as it is accepted.",
    "schema": {"type": "number", "minimum": 0, "maximum": WAIT_S_MAX, "default": 0},
}
ETAG: Mapping[str, Any] = {
    "description": "The version of what was written, for `If-Match`.",
    "schema": {"type": "string"},
}
REPLAYED: Mapping[str, Any] = {
    "description": "This is the answer to an earlier request with the same `Idempotency-Key`.",
    "schema": {"type": "string", "enum": ["true"]},
}


def documented(
    operation_id: str,
    summary: str,
    *,
    requires: str | None,
    answers: type[BaseModel],
    status: HTTPStatus = HTTPStatus.OK,
    ended: type[BaseModel] | None = None,
    body: str | None = None,
    example: Any = None,
    refusals: Sequence[type[DomainError]] = (),
    is_body_required: bool = True,
    path_parameters: Mapping[str, Any] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    preview: type[BaseModel] | None = None,
) -> dict[str, Any]:
    """The keyword arguments of a command's route decorator.

    requires: None for a route that knows its caller by the path. ended: the answer of a route that
    can wait for the end. body: the name of a schema that document_schemas adds. path_parameters: by
    name, those that are no UUIDs. parameters: others of its own. preview: the answer to a request
    that only asks what would be done.
    """
    kinds = [*ANY_COMMAND, *refusals, *(ANY_BODY if body else ())]
    if requires is None:
        kinds = [kind for kind in kinds if kind not in {Unauthenticated, Forbidden}]
    told = [
        *parameters,
        *([WAIT_S] if ended else []),
        IDEMPOTENCY_KEY,
        *([IF_MATCH] if Stale in refusals else []),
    ]
    extra: dict[str, Any] = {**_permission(requires), "parameters": told}
    if body:
        content: dict[str, Any] = {"schema": {"$ref": SCHEMA_REF.format(model=body)}}
        if example is not None:
            content["example"] = example
        extra["requestBody"] = {
            "required": is_body_required,
            "content": {"application/json": content},
        }
    headers = {"Idempotency-Replayed": REPLAYED}
    if "version" in _data_fields(answers):
        headers["ETag"] = ETAG
    responses = {status.value: {"headers": headers}, **problems(kinds)}
    if ended:
        responses[HTTPStatus.OK.value] = {
            "model": ended,
            "headers": headers,
            "description": "It ended in time",
        }
    if preview:
        responses[HTTPStatus.OK.value] = {
            "model": preview,
            "headers": headers,
            "description": "What it would be, with `dry_run`",
        }
    return {
        "operation_id": operation_id,
        "summary": summary,
        "status_code": status.value,
        "response_model": answers,
        "responses": responses,
        "openapi_extra": extra,
        PATH_PARAMETERS: path_parameters or {},
    }


def documented_open(
    operation_id: str,
    summary: str,
    *,
    answers: type[BaseModel],
    body: str | None,
    example: Any,
    status: HTTPStatus = HTTPStatus.OK,
    refusals: Sequence[type[DomainError]] = (),
) -> dict[str, Any]:
    """A route by which somebody becomes known: no credential, and no idempotency key."""
    kinds: list[type[DomainError]] = [Invalid, OverLimit, Unavailable, *refusals]
    extra: dict[str, Any] = {"security": []}
    if body:
        kinds += ANY_BODY
        content = {"schema": {"$ref": SCHEMA_REF.format(model=body)}, "example": example}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {
        "operation_id": operation_id,
        "summary": summary,
        "status_code": status.value,
        "response_model": answers,
        "responses": problems(kinds),
        "openapi_extra": extra,
    }


def documented_personal(
    operation_id: str,
    summary: str,
    *,
    requires: str,
    answers: type[BaseModel],
    body: str,
    example: Any,
    refusals: Sequence[type[DomainError]] = (),
) -> dict[str, Any]:
    """A route for somebody who is logged in, whose answer is kept nowhere."""
    open_to_all = documented_open(
        operation_id,
        summary,
        answers=answers,
        body=body,
        example=example,
        refusals=[*ANY_ROUTE, *refusals],
    )
    return {
        **open_to_all,
        "openapi_extra": {**open_to_all["openapi_extra"], **_permission(requires)},
    }


def documented_query(
    operation_id: str,
    summary: str,
    *,
    requires: str,
    answers: Any,
    refusals: Sequence[type[DomainError]] = (),
    path_parameters: Mapping[str, Any] | None = None,
    query_parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The keyword arguments of a route decorator that only reads. path_parameters: as above."""
    return {
        "operation_id": operation_id,
        "summary": summary,
        "response_model": answers,
        "responses": problems([*ANY_ROUTE, *refusals]),
        "openapi_extra": {**_permission(requires), "parameters": list(query_parameters)},
        PATH_PARAMETERS: path_parameters or {},
    }


def streamed(documentation: dict[str, Any], *media_types: str) -> dict[str, Any]:
    """The same of a route that answers with lines of text."""
    content = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    responses = {HTTPStatus.OK.value: {"content": content}, **documentation["responses"]}
    return {
        **documentation,
        "response_model": None,
        "response_class": Response,
        "responses": responses,
    }


def problems(kinds: Sequence[type[DomainError]]) -> dict[int | str, dict[str, Any]]:
    """One documented response per status."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": SCHEMA_REF.format(model="Problem")}}}
    return {
        status: {"description": TITLES[status], "content": content}
        for status in sorted({status_of(kind) for kind in kinds})
    }


def document_schemas(
    app: FastAPI,
    bodies: Sequence[TypeAdapter[Any]],
    *,
    routes: Callable[[], Sequence[BaseRoute]],
    paths: Callable[[], Mapping[str, Any]],
    path_schemas: Callable[[], Mapping[str, Any]],
) -> None:
    """The document of `app`, made once somebody asks for it: of `routes`, with the schemas of
    `bodies`, of problems, and the ways to authenticate; and `paths`, which no route describes, with
    their schemas.
    """

    @cache
    def openapi() -> dict[str, Any]:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            routes=routes(),
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = dict(SECURITY_SCHEMES)
        schemas = {**components.get("schemas", {}), **_schemas(bodies), **path_schemas()}
        components["schemas"] = dict(sorted(schemas.items()))
        document["paths"].update(paths())
        return document

    app.openapi = openapi


def _schemas(bodies: Sequence[TypeAdapter[Any]]) -> dict[str, Any]:
    adapters: list[TypeAdapter[Any]] = [*bodies, TypeAdapter(Problem)]
    inputs: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = [
        (place, "validation", adapter) for place, adapter in enumerate(adapters)
    ]
    _, together = TypeAdapter.json_schemas(inputs, ref_template=SCHEMA_REF)
    return together["$defs"]


def _permission(requires: str | None) -> dict[str, Any]:
    if requires is None:
        return {"security": []}
    schemes = [
        *(["api_key"] if requires in {*TENANT_SCOPES, *RESELLER_SCOPES} else []),
        *(["operator_key"] if requires in OPERATOR_SCOPES else []),
    ]
    return {"security": [{scheme: []} for scheme in schemes], "x-required-scope": requires}


def _data_fields(answers: type[BaseModel]) -> Mapping[str, Any]:
    data = answers.model_fields["data"].annotation
    return getattr(data, "model_fields", {})
