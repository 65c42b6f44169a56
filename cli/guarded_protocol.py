"""What uvicorn leaves to a proxy: a client that sends its request byte by byte, or a head without
an end, is not waited for.
"""

import asyncio
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
# From the connection, or the first byte of a later request, to the end of the head.
HEAD_TIMEOUT_S = 10.0
# From there to the end of the body.
BODY_TIMEOUT_S = 30.0

Part = Literal["nothing", "head", "body"]


class GuardedProtocol(HttpToolsProtocol):
    """The usual request, which comes in one piece, sets no timer but that of its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._part: Part = "head"
        self._waited_for: Part = "nothing"
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # pyright: ignore[reportArgumentType] # uvicorn's own narrowing
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for("nothing")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._part == "head":
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.close()
        else:
            self._head_bytes = 0
        if self.transport.is_closing():
            self._wait_for("nothing")
        else:
            self._wait_for(self._part)

    def handle_websocket_upgrade(self) -> None:
        self._part = "nothing"
        self._wait_for("nothing")
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._part = "head"
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._part = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._part = "nothing"
        super().on_message_complete()

    def _wait_for(self, part: Part) -> None:
        if part == self._waited_for:
            return
        self._waited_for = part
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if part != "nothing":
            timeout_s = HEAD_TIMEOUT_S if part == "head" else BODY_TIMEOUT_S
            self._timer = self.loop.call_later(timeout_s, self.transport.close)
