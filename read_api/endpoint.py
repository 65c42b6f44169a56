"""POST /graphql: the plain HTTP side of GraphQL, in front of the operations.

A well-formed request is answered with 200 whatever its errors, or for clients that accept
`application/graphql-response+json` with 400 when it was refused as a whole (GraphQL over HTTP, 2023
draft).
"""

from http import HTTPStatus
from time import perf_counter
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.authentication import Caller, DomainError
from read_api.dependencies import ReadDependencies
from read_api.edge import (
    BodyTooLarge,
    admit,
    headers_of,
    identify,
    origin_of,
    read_body,
    status_of,
)
from read_api.errors import UNAVAILABLE, RequestRefused, refuse
from read_api.operations import Operation, Operations, parse_operation, refusal_of
from read_api.root_fields import ANY_FIELD, audited_refusal

JSON_TYPE = "application/json"
RESPONSE_TYPE = "application/graphql-response+json"


class GraphqlEndpoint:
    """An ASGI application."""

    def __init__(self, dependencies: ReadDependencies, operations: Operations) -> None:
        self._dependencies = dependencies
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method != "POST":
            return await self._no_post(request)
        began_s = perf_counter()
        response = await self._answer(request)
        outcome = "answered" if response.status_code == HTTPStatus.OK else "refused"
        seconds = self._dependencies.metrics.graphql_request_seconds
        seconds.labels(outcome).observe(perf_counter() - began_s)
        return response

    async def _no_post(self, request: Request) -> Response:
        try:
            address = origin_of(self._dependencies, request).source.address
            await self._dependencies.count_stranger(request.scope, address)
        except DomainError as error:
            return self._refusal(request, refusal_of(error), status_of(error), headers_of(error))
        refused = refuse("post_only", "GraphQL is sent with POST.")
        return self._refusal(request, refused, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"})

    async def _answer(self, request: Request) -> Response:
        try:
            caller = await identify(self._dependencies, request)
            await admit(self._dependencies, request, caller, ANY_FIELD)
        except DomainError as error:
            return self._refusal(request, refusal_of(error), status_of(error), headers_of(error))
        try:
            operation = await self._operation(request)
        except _Malformed as malformed:
            await self._on_record(request, caller, malformed.refused)
            return self._refusal(request, malformed.refused, malformed.status)
        try:
            origin = origin_of(self._dependencies, request)
            prepared = await self._operations.prepare(operation, caller, origin)
            if prepared.is_subscription:
                refused = refuse(
                    "needs_websocket", "Subscriptions are served over graphql-transport-ws."
                )
                await self._on_record(request, caller, refused)
                raise refused
            answer = await self._operations.execute(prepared)
        except RequestRefused as refused:
            is_new = RESPONSE_TYPE in request.headers.get("accept", "")
            return self._refusal(
                request, refused, HTTPStatus.BAD_REQUEST if is_new else HTTPStatus.OK
            )
        except DomainError as error:
            return self._refusal(request, refusal_of(error), status_of(error), headers_of(error))
        if any(error["extensions"]["code"] == UNAVAILABLE for error in answer.get("errors", ())):
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return self._json(request, orjson.dumps(answer), status, {"Retry-After": "1"})
        return self._json(request, orjson.dumps(answer), HTTPStatus.OK)

    async def _on_record(self, request: Request, caller: Caller, refused: RequestRefused) -> None:
        """What Operations does not see."""
        action, code, outcome = audited_refusal(refused)
        asked = origin_of(self._dependencies, request).asked(caller, action)
        await self._dependencies.audit.refused_with(asked, code, outcome)

    async def _operation(self, request: Request) -> Operation:
        """Raises _Malformed."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON_TYPE:
            message = f"The body is sent as {JSON_TYPE}."
            raise _Malformed(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, refuse("unsupported_media_type", message)
            )
        bytes_max = self._dependencies.limits.body_bytes_max
        try:
            body: Any = orjson.loads(await read_body(request, bytes_max=bytes_max))
        except BodyTooLarge:
            refused = refuse("body_too_large", f"At most {bytes_max} bytes are read.")
            raise _Malformed(
                HTTPStatus(413), refused
            ) from None  # Its name differs between Pythons.
        except orjson.JSONDecodeError:
            raise _Malformed(
                HTTPStatus.BAD_REQUEST, refuse("unparsable_json", "The body is not JSON.")
            ) from None
        try:
            return parse_operation(body, min_position=request.headers.get("x-min-position"))
        except RequestRefused as refused:
            raise _Malformed(HTTPStatus.BAD_REQUEST, refused) from None

    def _refusal(
        self,
        request: Request,
        refused: RequestRefused,
        status: HTTPStatus,
        headers: dict[str, str] | None = None,
    ) -> Response:
        request_id = self._dependencies.request_id_of(request.scope)
        errors = self._operations.refusal(refused, request_id)
        return self._json(request, orjson.dumps({"errors": errors}), status, headers)

    def _json(
        self,
        request: Request,
        body: bytes,
        status: HTTPStatus,
        headers: dict[str, str] | None = None,
    ) -> Response:
        is_new = RESPONSE_TYPE in request.headers.get("accept", "")
        return Response(
            body, status, headers=headers, media_type=RESPONSE_TYPE if is_new else JSON_TYPE
        )


class _Malformed(Exception):
    """No request of GraphQL at all."""

    def __init__(self, status: HTTPStatus, refused: RequestRefused) -> None:
        super().__init__(refused)
        self.status = status
        self.refused = refused
