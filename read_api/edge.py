"""The read side's way in: who is calling, the body within its limit, and errors as answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from infra.audit_trail import Asked, Source
from infra.authentication import (
    Caller,
    Credentials,
    DomainError,
    Forbidden,
    OverLimit,
    Unauthenticated,
    Unavailable,
)
from infra.client_addresses import told_user_agent
from infra.request_place import note_tenant
from read_api.dependencies import ReadDependencies

STATUS: Mapping[type[DomainError], HTTPStatus] = {
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    OverLimit: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
AUTHENTICATE = "authenticate"
CREDENTIAL_HEADERS = ("authorization", "x-operator-key")


@dataclass(frozen=True, slots=True)
class ReadOrigin:
    """Where a request comes from."""

    request_id: UUID
    source: Source

    def asked(self, caller: Caller | None, action: str, target: str | None = None) -> Asked:
        """What the audit trail says of it."""
        return Asked(caller, action, self.request_id, self.source, target)


class BodyTooLarge(Exception):
    """More bytes came than are read."""


async def identify(dependencies: ReadDependencies, connection: HTTPConnection) -> Caller:
    """Raises Unauthenticated, and OverLimit for an address that keeps trying."""
    authorization, operator_key = (connection.headers.get(name) for name in CREDENTIAL_HEADERS)
    return await authenticated(dependencies, connection, authorization, operator_key)


async def authenticated(
    dependencies: ReadDependencies,
    connection: HTTPConnection,
    authorization: str | None,
    operator_key: str | None,
) -> Caller:
    origin = origin_of(dependencies, connection)
    credentials = Credentials(
        authorization=authorization,
        operator_key=operator_key,
        address=origin.source.address,
        user_agent=origin.source.user_agent,
    )
    try:
        try:
            caller = await dependencies.authenticate(credentials)
        except Unauthenticated:
            await dependencies.count_stranger(connection.scope, credentials.address)
            raise
    except (Unauthenticated, OverLimit) as error:
        await dependencies.audit.refused(origin.asked(None, AUTHENTICATE), error)
        raise
    note_tenant(caller.tenant_id)
    return caller


async def admit(
    dependencies: ReadDependencies, connection: HTTPConnection, caller: Caller, action: str
) -> None:
    """Counts one call of somebody we know. Raises OverLimit, which is on record."""
    try:
        await dependencies.callers.take(connection.scope, caller)
    except OverLimit as error:
        asked = origin_of(dependencies, connection).asked(caller, action)
        await dependencies.audit.refused(asked, error)
        raise


def origin_of(dependencies: ReadDependencies, connection: HTTPConnection) -> ReadOrigin:
    user_agent = connection.headers.get("user-agent", "").encode("latin-1")
    source = Source(
        dependencies.client_address(connection.scope), told_user_agent(user_agent or None)
    )
    return ReadOrigin(dependencies.request_id_of(connection.scope), source)


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """Counted as it arrives; a header can only refuse it sooner. Raises BodyTooLarge."""
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed[:20]) > bytes_max:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLarge
    return bytes(body)


def status_of(error: DomainError) -> HTTPStatus:
    kinds = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)


def headers_of(error: DomainError) -> dict[str, str]:
    if isinstance(error, OverLimit):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, Unavailable):
        return {"Retry-After": "1"}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    request_id: UUID,
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """RFC 9457, in the form of the write side's."""
    errors: list[object] = []
    document = {
        "type": f"urn:agentledger:problem:{code}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        "errors": errors,
        "request_id": request_id,
    }
    return Response(
        orjson.dumps(document),
        status.value,
        headers=headers,
        media_type="application/problem+json",
    )


def problem_of(error: DomainError, request_id: UUID) -> Response:
    return problem(
        status_of(error), error.code, error.detail, request_id, headers=headers_of(error)
    )
