"""Headers that keep a browser from doing anything with an answer but reading it. Cross-origin
sharing stays closed. And what is left of the rate limit that the request counted against.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.caller_limits import STANDING_SCOPE_KEY
from infra.rate_limits import headers_of

CLOSED_POLICY = b"default-src 'none'; frame-ancestors 'none'"

ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)


class SecurityHeaders:
    """Adds the headers; a response that brings its own policy or cache rule keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _guarded(message["headers"], scope)
            await send(message)

        await self._app(scope, receive, send_guarded)


def _guarded(headers: Sequence[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in headers}
    guarded = [*headers, *ALWAYS]
    standing = scope.get(STANDING_SCOPE_KEY)
    if standing is not None:
        guarded += headers_of(standing)
    if b"cache-control" not in names:
        guarded.append((b"cache-control", b"no-store"))
    if b"content-security-policy" not in names:
        guarded.append((b"content-security-policy", CLOSED_POLICY))
    return guarded
