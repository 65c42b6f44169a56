"""Requests that runs send to the web, counted and in spans. Of an address only the host is told:
secrets may be anywhere else in it.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from commands.http_port import Http, HttpFailed, HttpRequest, HttpResponse
from infra import genai_names as genai
from infra.metrics import METRICS
from infra.tracing import NO_SPAN, SpanBlock, is_on, span

TOOL = "http"
HTTP_ERROR = 400


class ObservedHttp:
    """Implements commands.http_port.Http."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(
        self, request: HttpRequest, on_progress: Callable[[], None] | None = None
    ) -> HttpResponse:
        with _span_of(request) as made:
            try:
                response = await self._http.send(request, on_progress)
            except HttpFailed as failed:
                made.fail(failed.code)
                METRICS.models.tools.labels(TOOL, failed.code).inc()
                raise
            if made.is_recording:
                made.set({"http.response.status_code": response.status})
                if response.status >= HTTP_ERROR:
                    made.fail(str(response.status))
            METRICS.models.tools.labels(TOOL, f"{response.status // 100}xx").inc()
            return response


def _span_of(request: HttpRequest) -> SpanBlock:
    if not is_on():
        return NO_SPAN
    attributes: dict[str, str] = {
        "http.request.method": request.method,
        genai.OPERATION_NAME: genai.EXECUTE_TOOL,
        genai.TOOL_NAME: TOOL,
    }
    host = _host(request.url)
    if host is not None:
        attributes["server.address"] = host
    return span(request.method, "client", attributes)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
