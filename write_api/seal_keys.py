"""GET /.well-known/seal-keys.json: what the seals of the log are verified with, by anybody."""

from http import HTTPStatus

from pydantic import BaseModel
from starlette.responses import Response

from domain.identifiers import Json
from write_api.edge import Call, Edge, json_response
from write_api.openapi import documented_open
from write_api.routes import Route
from write_api.sessions import Jwk


class SealKeySet(BaseModel):
    """RFC 7517; all keys that ever signed, the newest first."""

    keys: list[Jwk]


async def seal_keys(call: Call) -> Response:
    keys: list[Json] = [*await call.edge.published_seal_keys()]
    headers = {"Cache-Control": "public, max-age=60"}
    return json_response({"keys": keys}, HTTPStatus.OK, headers)


ROUTES = (
    Route(
        "GET",
        "/.well-known/seal-keys.json",
        documented_open(
            "sealKeys", "The public keys of seals", answers=SealKeySet, body=None, example=None
        ),
        seal_keys,
        Edge.identify_anybody,
        is_sensitive=False,
    ),
)
