"""Errors as RFC 9457 problem documents, and the one table from a category of error to its HTTP
status.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from domain.errors import (
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    OverLimit,
    Refused,
    Stale,
    Unauthenticated,
    Unavailable,
)
from write_api.requests import BodyTooLarge, UnparsableBody, UnsupportedMediaType, pointer

PROBLEM_MEDIA_TYPE = "application/problem+json"
UNAVAILABLE_RETRY_AFTER_S = 1

# Where the middleware of app.py leaves the id of the request.
REQUEST_ID_SCOPE_KEY = "agentledger.request_id"
# Where an endpoint leaves the page that a browser is sent to instead of a problem document.
SENT_TO_SCOPE_KEY = "agentledger.sent_to"

STATUS: Mapping[type[DomainError], int] = {
    UnparsableBody: 400,
    UnsupportedMediaType: 415,
    BodyTooLarge: 413,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Refused: 409,
    Stale: 412,
    OverLimit: 429,
    Unavailable: 503,
}
# Ours, because the standard library's phrases differ between the Python versions we support.
TITLES: Mapping[int, str] = {
    400: "Not parsable",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Refused by a rule",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Over a limit",
    500: "Unexpected",
    503: "Temporarily unavailable",
}
FRAMEWORK_CODES: Mapping[int, str] = {404: "unknown_route", 405: "method_not_allowed"}
INTERNAL = 500


def status_of(error: type[DomainError]) -> int:
    """The status of the nearest category."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def request_id_of(scope: Scope) -> UUID:
    return scope[REQUEST_ID_SCOPE_KEY]


def add_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, _answer_domain_error)
    app.add_exception_handler(RequestValidationError, _answer_bad_parameters)


def unexpected_problem(scope: Scope) -> Response:
    """For an error nobody foresaw: says nothing but where to look."""
    return _problem(
        scope,
        INTERNAL,
        "internal",
        "Something went wrong here; the log has it under the request id.",
    )


async def _answer_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    page = request.scope.get(SENT_TO_SCOPE_KEY)
    if page is not None:
        headers = {"Location": page, "Cache-Control": "no-store"}
        return Response(status_code=HTTPStatus.FOUND.value, headers=headers)
    return domain_problem(request.scope, error)


def domain_problem(scope: Scope, error: DomainError) -> Response:
    return _problem(
        scope,
        status_of(type(error)),
        error.code,
        error.detail,
        errors=error.errors if isinstance(error, Invalid) else (),
        headers=headers_of(error),
    )


async def _answer_bad_parameters(request: Request, error: Exception) -> Response:
    """Parameters of the path and the query; bodies are read in requests.py."""
    assert isinstance(error, RequestValidationError)
    mistakes = [
        FieldError(
            f"{mistake['loc'][0]}:{pointer(mistake['loc'][1:])[1:]}",
            mistake["type"],
            mistake["msg"],
        )
        for mistake in error.errors()
    ]
    return await _answer_domain_error(request, Invalid(errors=mistakes))


def framework_problem(scope: Scope, error: HTTPException) -> Response:
    """What the framework refuses: an unknown route, a method that a route does not have."""
    code = FRAMEWORK_CODES.get(error.status_code, "refused")
    return _problem(scope, error.status_code, code, error.detail, headers=error.headers)


def headers_of(error: DomainError) -> dict[str, str] | None:
    if isinstance(error, OverLimit):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(UNAVAILABLE_RETRY_AFTER_S)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return None


def _problem(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    document = {
        "type": f"urn:agentledger:problem:{code}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors,
        "request_id": request_id_of(scope),
    }
    return Response(orjson.dumps(document), status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)
