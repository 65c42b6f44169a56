"""GET /blobs/{sha256}: a payload that is too large for its event; reads only refer to it."""

import re
from http import HTTPStatus

from starlette.responses import Response

from commands.authorization import require
from domain.errors import NotFound
from write_api.edge import Call
from write_api.openapi import documented_query
from write_api.routes import route
from write_api.shapes import AnyJson

SCOPE = "read"
SHA256_PATTERN = "^[0-9a-f]{64}$"
SHA256 = {
    "description": 'As `{"$blob": {"sha256": ...}}` tells it.',
    "schema": {"type": "string", "pattern": SHA256_PATTERN},
    "example": "a" * 64,
}


class BlobNotFound(NotFound):
    """There is no such payload, or it was removed."""


@route(
    "GET",
    "/api/v1/blobs/{sha256}",
    documented_query(
        "readBlob",
        "A payload over 64 KiB, as it was given",
        requires=SCOPE,
        answers=AnyJson,
        refusals=[NotFound],
        path_parameters={"sha256": SHA256},
    ),
    is_sensitive=False,  # As any other payload of a run.
)
async def read(call: Call) -> Response:
    require(call.caller, SCOPE)
    sha256, tenant_id = call.text("sha256"), call.caller.tenant_id
    if tenant_id is None or not re.fullmatch(SHA256_PATTERN, sha256):
        raise BlobNotFound
    content = await call.edge.blobs.content(
        tenant_id, bytes.fromhex(sha256), person=call.caller.reads_as
    )
    if content is None:
        raise BlobNotFound
    return Response(content, HTTPStatus.OK.value, media_type="application/json")


ROUTES = (read,)
