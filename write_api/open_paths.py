"""What anybody may ask for without a credential counts against their address: the documentation,
and paths and methods that lead nowhere. Probes of health do not: whoever asks them asks for ever.
"""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import DomainError
from write_api.edge import Edge
from write_api.problem_details import domain_problem, framework_problem


class DocumentationLimit:
    """Below what gives requests their ids."""

    def __init__(self, app: ASGIApp, edge: Edge, paths: frozenset[str]) -> None:
        self._app = app
        self._edge = edge
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            try:
                await self._edge.count_stranger(scope)
            except DomainError as error:
                await domain_problem(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def add_open_paths(app: FastAPI, edge: Edge) -> None:
    told = (app.docs_url, app.redoc_url, app.openapi_url, app.swagger_ui_oauth2_redirect_url)
    paths = frozenset(path for path in told if path is not None)
    app.add_middleware(DocumentationLimit, edge=edge, paths=paths)

    async def nowhere(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        try:
            await edge.count_stranger(request.scope)
        except DomainError as refusal:
            return domain_problem(request.scope, refusal)
        return framework_problem(request.scope, error)

    app.add_exception_handler(HTTPException, nowhere)
