"""Counts, times, traces and logs every request. The outermost layer of the application.

Of a path only the route is told, and of a query nothing: ids and keys are in them.
"""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from http import HTTPStatus
from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra import tracing
from infra.logs import told
from infra.metrics import METRICS
from write_api.problem_details import REQUEST_ID_SCOPE_KEY
from write_api.requests import header_map, traceparent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked for ever; a trace of each would be all there is.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
OTHER = "other"
WEBHOOKS = ("/api/v1/webhooks/", "/api/v1/trigger-webhooks/")

access_log = logging.getLogger("access")


class Observed:
    """is_caller_trace_continued: a request goes on in the trace of whoever sent it; else it begins
    one, which has a link to that.
    """

    def __init__(self, app: ASGIApp, *, is_caller_trace_continued: bool) -> None:
        self._app = app
        self._continues = is_caller_trace_continued

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._counted(scope, receive, send)
            case "websocket":
                with METRICS.http.websockets.track_inprogress():
                    await self._app(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_s = perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        is_stream = False

        async def send_watched(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = (b"content-type", b"text/event-stream") in message["headers"]
            await send(message)

        METRICS.http.active.inc()
        is_traced = tracing.is_on() and scope["path"] not in PROBES
        with self._span(scope) if is_traced else nullcontext() as span:
            try:
                await self._app(scope, receive, send_watched)
            finally:
                METRICS.http.active.dec()
                seconds = perf_counter() - began_s
                if span is not None:
                    _tell(span, scope, status)
                _count(scope, status, None if is_stream else seconds)
                if access_log.isEnabledFor(logging.INFO):
                    _log(scope, status, seconds)  # In its trace.

    def _span(self, scope: Scope) -> tracing.SpanBlock:
        """What a stranger links to decides nothing: whether it is kept is our own choice."""
        caller = traceparent(header_map(scope))
        if self._continues:
            return tracing.root_span(_method(scope), "server", parent=caller)
        return tracing.root_span(_method(scope), "server", mentioned=caller)


def _tell(span: tracing.Span, scope: Scope, status: int) -> None:
    if not span.is_recording:
        return
    method, route = _method(scope), route_of(scope)
    span.rename(f"{method} {route}")
    span.set(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "agentledger.request.id": str(scope.get(REQUEST_ID_SCOPE_KEY, "")),
        }
    )
    if status >= HTTPStatus.BAD_REQUEST:
        span.fail(str(status), is_error=status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _count(scope: Scope, status: int, seconds: float | None) -> None:
    method, route = _method(scope), route_of(scope)
    _requests(method, route, status).inc()
    if seconds is not None:
        _seconds(method, route).observe(seconds)
    if route.startswith(WEBHOOKS):
        result = "accepted" if status < HTTPStatus.BAD_REQUEST else "refused"
        METRICS.http.webhook_deliveries.labels(result).inc()


# Finding a series takes as long as counting twice; there are as many as routes and statuses.
@cache
def _requests(method: str, route: str, status: int) -> Counter:
    return METRICS.http.requests.labels(method, route, str(status))


@cache
def _seconds(method: str, route: str) -> Histogram:
    return METRICS.http.seconds.labels(method, route)


def _log(scope: Scope, status: int, seconds: float) -> None:
    method, route = _method(scope), route_of(scope)
    fields = told("request", method=method, route=route, status=status, seconds=round(seconds, 6))
    access_log.info("%s %s %d %.3f s", method, route, status, seconds, extra=fields)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else OTHER


def route_of(scope: Mapping[str, object]) -> str:
    """As it is documented, with names for what varies; `other` is what leads nowhere."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER
