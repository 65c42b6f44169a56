"""Puts the read side on an application. Nothing happens at import; an entry point builds the
dependencies.
"""

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from read_api.dashboard import Dashboard
from read_api.dependencies import ReadDependencies
from read_api.endpoint import GraphqlEndpoint
from read_api.health import Health
from read_api.operations import Operations
from read_api.streams import ExecutionStream
from read_api.subscription_count import SubscriptionCount
from read_api.websocket import GraphqlSocket

__all__ = ["ReadDependencies", "build_read_routes"]


def build_read_routes(app: FastAPI, dependencies: ReadDependencies) -> None:
    """Plain routes, because FastAPI's own cost a third of a millisecond per request and these need
    none of it.
    """
    operations = Operations(dependencies)
    limits = dependencies.limits
    count = SubscriptionCount(dependencies.metrics, maximum=limits.subscriptions_max)
    socket = GraphqlSocket(dependencies, operations, count)
    stream = ExecutionStream(dependencies, count)
    health = Health(dependencies)
    dashboard = Dashboard(dependencies)
    app.router.routes.extend(
        [
            Route("/graphql", GraphqlEndpoint(dependencies, operations)),
            WebSocketRoute("/graphql", socket.serve),
            Route("/api/v1/executions/{execution_id}/events", stream.respond, methods=["GET"]),
            Route("/dashboard", dashboard.page, methods=["GET"]),
            Route("/dashboard/assets/{name}", dashboard.asset, methods=["GET"]),
            Route("/dashboard/{path:path}", dashboard.page, methods=["GET"]),
            Route("/healthz", health.healthz, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
            Route("/metrics", health.metrics, methods=["GET"]),
        ]
    )
