"""The guarded client as a transport of httpx, for libraries that speak through httpx.

Redirects are never followed: what these libraries send carries secrets, and the addresses they send
to are told by those they talk with.
"""

import secrets

import httpx

from commands.http_port import Http, HttpFailed, HttpRequest

# Of the message: httpx made these for the address of the URL, and ours come in their place.
_OF_THE_CONNECTION = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding"}
)
# The body arrives decompressed and whole.
_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class GuardedTransport(httpx.AsyncBaseTransport):
    """timeout_s: of one exchange. response_bytes_max: of a body."""

    def __init__(self, http: Http, *, timeout_s: float, response_bytes_max: int) -> None:
        self._http = http
        self._timeout_s = timeout_s
        self._response_bytes_max = response_bytes_max

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError with a message that is safe to log."""
        headers = {
            name: text
            for name, text in request.headers.items()
            if name.lower() not in _OF_THE_CONNECTION
        }
        asked = HttpRequest(
            method=request.method,
            url=str(request.url),
            headers=headers,
            query=(),
            body=await request.aread() or None,
            timeout_s=self._timeout_s,
            idempotency_key=secrets.token_urlsafe(16),
            response_bytes_max=self._response_bytes_max,
            follows_redirects=False,
        )
        try:
            answer = await self._http.send(asked)
        except HttpFailed as failure:
            raise httpx.TransportError(str(failure), request=request) from None
        told = [(n, v) for n, v in answer.headers.items() if n not in _OF_THE_TRANSFER]
        return httpx.Response(answer.status, headers=told, content=answer.body, request=request)
