"""GET /node-types: what a definition may consist of."""

import inspect
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from commands.authorization import require
from domain.identifiers import Json, JsonObject
from domain.nodes.catalogue import NODE_TYPES
from write_api.edge import Call, json_response
from write_api.openapi import Listed, documented_query
from write_api.routes import route

SCOPE = "read"


class NodeTypeShown(BaseModel):
    """config_schema: JSON Schema of the node's `config`. is_pure: costs nothing, calls nobody."""

    type: str
    description: str
    is_pure: bool
    config_schema: dict[str, Any]


@route(
    "GET",
    "/api/v1/node-types",
    documented_query(
        "listNodeTypes",
        "The node types, each with the JSON Schema of its config",
        requires=SCOPE,
        answers=Listed[NodeTypeShown],
    ),
    is_sensitive=False,
)
async def list_all(call: Call) -> Response:
    require(call.caller, SCOPE)
    meta: JsonObject = {"position": None, "request_id": str(call.request_id)}
    answer: JsonObject = {"data": _node_types(), "meta": meta, "page": {"next_cursor": None}}
    return json_response(answer, HTTPStatus.OK)


@cache
def _node_types() -> list[Json]:
    return [
        {
            "type": name,
            "description": inspect.cleandoc(kind.__doc__ or ""),
            "is_pure": kind.is_pure,
            "config_schema": kind.config_schema(),
        }
        for name, kind in sorted(NODE_TYPES.items())
    ]


ROUTES = (list_all,)
