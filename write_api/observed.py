"""Counts every request and WebSocket, and times those that end by themselves. The outermost layer
of the application.
"""

from collections.abc import Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.metrics import METRICS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
WEBHOOKS = "/api/v1/webhooks/"
HTTP_ERROR = 400


class Observed:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._request(scope, receive, send)
            case "websocket":
                with METRICS.http.websockets.track_inprogress():
                    await self._app(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_s = perf_counter()
        status = 500
        is_stream = False

        async def send_watched(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = (b"content-type", b"text/event-stream") in message["headers"]
            await send(message)

        METRICS.http.active.inc()
        try:
            await self._app(scope, receive, send_watched)
        finally:
            METRICS.http.active.dec()
            _count(scope, status, None if is_stream else perf_counter() - began_s)


def _count(scope: Scope, status: int, seconds: float | None) -> None:
    method = scope["method"] if scope["method"] in METHODS else OTHER
    route = route_of(scope)
    METRICS.http.requests.labels(method, route, str(status)).inc()
    if seconds is not None:
        METRICS.http.seconds.labels(method, route).observe(seconds)
    if route.startswith(WEBHOOKS):
        result = "accepted" if status < HTTP_ERROR else "refused"
        METRICS.http.webhook_deliveries.labels(result).inc()


def route_of(scope: Mapping[str, object]) -> str:
    """As it is documented, with names for what varies; `other` is what leads nowhere."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER
