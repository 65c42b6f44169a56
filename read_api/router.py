"""Puts the read side on an application. Nothing happens at import; an entry point builds the
dependencies.
"""

from fastapi import FastAPI
from starlette.routing import Match, Route, WebSocketRoute
from starlette.types import Scope

from read_api.dashboard import Dashboard
from read_api.dependencies import ReadDependencies
from read_api.endpoint import GraphqlEndpoint
from read_api.health import Health
from read_api.operations import Operations
from read_api.sign_in import SignInProviders
from read_api.streams import ExecutionStream
from read_api.subscription_count import SubscriptionCount
from read_api.websocket import GraphqlSocket

__all__ = ["ReadDependencies", "build_read_routes"]


class _NamedRoute(Route):
    """One that says which it is, as FastAPI's own do, to what counts requests."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


def build_read_routes(app: FastAPI, dependencies: ReadDependencies) -> None:
    """Plain routes, because FastAPI's own cost a third of a millisecond per request and these need
    none of it. They are matched one after the other, 1.5 us each: the first is asked most.
    """
    operations = Operations(dependencies)
    limits = dependencies.limits
    count = SubscriptionCount(dependencies.metrics, maximum=limits.subscriptions_max)
    socket = GraphqlSocket(dependencies, operations, count)
    stream = ExecutionStream(dependencies, count)
    health = Health(dependencies)
    dashboard = Dashboard(dependencies)
    sign_in = SignInProviders(dependencies)
    app.router.routes.insert(0, _NamedRoute("/graphql", GraphqlEndpoint(dependencies, operations)))
    app.router.routes.extend(
        [
            WebSocketRoute("/graphql", socket.serve),
            _NamedRoute(
                "/api/v1/executions/{execution_id}/events", stream.respond, methods=["GET"]
            ),
            _NamedRoute(
                "/api/v1/auth/oauth/{tenant_id}/providers", sign_in.respond, methods=["GET"]
            ),
            _NamedRoute("/docs", dashboard.docs, methods=["GET"]),
            _NamedRoute("/dashboard", dashboard.page, methods=["GET"]),
            _NamedRoute("/dashboard/assets/{name}", dashboard.asset, methods=["GET"]),
            _NamedRoute("/dashboard/{path:path}", dashboard.page, methods=["GET"]),
            _NamedRoute("/healthz", health.healthz, methods=["GET"]),
            _NamedRoute("/readyz", health.readyz, methods=["GET"]),
            _NamedRoute("/metrics", health.metrics, methods=["GET"]),
        ]
    )
