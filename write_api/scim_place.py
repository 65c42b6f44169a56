"""Where SCIM is served (write_api/scim.py). Its models take 0.15 s and 20 MB to load, and most
installations have no directory that speaks it: they are loaded by the first who asks.
"""

from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route as PlainRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from write_api.edge import Edge, ScimParts
from write_api.openapi import SCIM_PREFIX


class ScimPlace:
    def __init__(self, edge: Edge, parts: ScimParts) -> None:
        self._edge = edge
        self._parts = parts

    @cached_property
    def _scim(self) -> ASGIApp:
        from write_api.scim import Scim

        return Scim(self._edge, self._parts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._scim(scope, receive, send)


def add_scim(app: FastAPI, edge: Edge, parts: ScimParts) -> None:
    app.router.routes.append(PlainRoute(SCIM_PREFIX + "/{path:path}", ScimPlace(edge, parts)))


def scim_paths() -> dict[str, Any]:
    from write_api import scim_document

    return scim_document.scim_paths()


def scim_schemas() -> dict[str, Any]:
    from write_api import scim_document

    return scim_document.scim_schemas()
