"""The small listener that any role may have beside what it serves: /healthz, /readyz, /metrics.

It knows no callers, so it belongs on a port that only the cluster reaches.
"""

import socket
from contextlib import suppress
from http import HTTPStatus

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cli.web_server import bound, run_http
from domain.errors import Unavailable
from infra.metrics import CONTENT_TYPE_LATEST
from infra.migrations import pending
from infra.postgres import Role
from infra.readiness import Ask, SchemaChecks
from infra.runtime import Runtime
from infra.settings import Settings
from projections.platform import tell_database_numbers


def listen_for_probes(settings: Settings) -> socket.socket | None:
    """Bound before anything starts; None where the settings want none. Raises PortUnavailable."""
    if settings.metrics_port is None:
        return None
    return bound(settings.metrics_host, settings.metrics_port)


async def serve_probes(
    runtime: Runtime, listening: socket.socket, role: Role, *further: Ask
) -> None:
    """Until cancelled. role: the database role that is asked; only `api` may ask for the numbers of
    all tenants. further: checks of this role.
    """
    database = await runtime.database(role)
    schema = SchemaChecks(database, lambda: pending(runtime.conninfo(role)))

    async def healthz(_request: Request) -> Response:
        return _json({"status": "ok"}, HTTPStatus.OK)

    async def readyz(_request: Request) -> Response:
        is_ready, document = await runtime.readiness.document(schema, *further)
        return _json(document, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(_request: Request) -> Response:
        if role == "api":
            with suppress(Unavailable):
                await tell_database_numbers(database, runtime.scrape.metrics)
        text = runtime.scrape.exposition()
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = Starlette(
        routes=[
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ]
    )
    await run_http(app, listening)


def _json(document: object, status: HTTPStatus) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
