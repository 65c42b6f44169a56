"""Routes that FastAPI documents, and whose requests we read ourselves.

FastAPI's way from a request to an endpoint (two exit stacks, dependency solving, a body parser that
lets duplicate members pass) costs 40 us of a command's 400, and our endpoints use none of it. What
it makes of a route's documentation costs 2 ms for each, so it is made when somebody asks for it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn, TypeAlias

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as PlainRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.request_place import note_tenant
from write_api.audited import POSITION_SCOPE_KEY
from write_api.edge import Call, Edge
from write_api.openapi import PATH_PARAMETERS

Endpoint: TypeAlias = Callable[[Call], Awaitable[Response]]
Documentation: TypeAlias = dict[str, Any]
Identify: TypeAlias = Callable[[Edge, Scope, Receive], Awaitable[Call]]

# `{node_id:path}` takes the rest of the path, slashes and all.
_PATH_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
_AN_ID: Mapping[str, Any] = {"schema": {"type": "string", "format": "uuid"}}


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """documentation: keyword arguments of FastAPI's routes (write_api/openapi.py). identify: finds
    out who is calling, or refuses. is_sensitive: of a route that reads: each reading is put on
    record (write_api/audited.py).
    """

    method: str
    path: str
    documentation: Documentation
    endpoint: Endpoint
    identify: Identify = Edge.identify
    is_sensitive: bool = True


def route(
    method: str, path: str, documentation: Documentation, *, is_sensitive: bool = True
) -> Callable[[Endpoint], Route]:
    """Declares the decorated function as the endpoint of a route."""

    def declare(endpoint: Endpoint) -> Route:
        return Route(method, path, documentation, endpoint, is_sensitive=is_sensitive)

    return declare


class _ServedRoute(PlainRoute):
    """Serves itself, and is named in the metrics."""

    def __init__(self, declared: Route, edge: Edge) -> None:
        super().__init__(declared.path, _never_called)
        self.methods = {declared.method}
        self.app = _served(declared, edge)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match != Match.NONE:
            child_scope["route"] = self
        return match, child_scope


def add_routes(app: FastAPI, edge: Edge, routes: Iterable[Route]) -> None:
    app.router.routes.extend(_ServedRoute(declared, edge) for declared in routes)


@cache
def documented_route(declared: Route) -> APIRoute:
    """For FastAPI, which never serves it."""
    extra: dict[str, Any] = declared.documentation["openapi_extra"]
    told = declared.documentation.get(PATH_PARAMETERS, {})
    parameters = [*_path_parameters(declared.path, told), *extra.get("parameters", [])]
    documentation: Documentation = {
        **{key: text for key, text in declared.documentation.items() if key != PATH_PARAMETERS},
        "openapi_extra": {**extra, "parameters": parameters},
    }
    return APIRoute(declared.path, _never_called, methods=[declared.method], **documentation)


def _served(declared: Route, edge: Edge) -> ASGIApp:
    identify, endpoint = declared.identify, declared.endpoint
    action: str = declared.documentation["operation_id"]
    is_read, is_sensitive = declared.method == "GET", declared.is_sensitive

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        call = None
        try:
            call = await identify(edge, scope, receive)
            note_tenant(call.caller.tenant_id)
            response = await endpoint(call)
        except Exception as error:
            await edge.audit.refused(edge.asked(scope, action, call), error)
            raise
        if not is_read:
            asked = edge.asked(scope, action, call)
            edge.audit.accepted(asked, scope.get(POSITION_SCOPE_KEY))
        elif is_sensitive:
            await edge.audit.read(edge.asked(scope, action, call))
        await response(scope, receive, send)

    return serve


def _never_called() -> NoReturn:
    # Where FastAPI looks at signatures. A docstring would describe every route.
    raise AssertionError("the route serves itself")


def _path_parameters(path: str, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """told: of those that are no ids of ours."""
    return [
        {"name": name, "in": "path", "required": True, **told.get(name, _AN_ID)}
        for name in _PATH_PARAMETER.findall(path)
    ]
