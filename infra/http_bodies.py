"""Reading an answer's body without ever holding more of it than was asked for, also when it is
compressed.
"""

import zlib
from collections.abc import Callable

import aiohttp

from commands.http_port import HttpFailed

# What gzip may add to a body that does not compress.
COMPRESSION_BYTES_MAX = 64 * 1024
GZIP_MEMBERS_MAX = 64
_GZIP_WINDOW_BITS = 31  # zlib's number for: a gzip header is required.


async def read_body(
    response: aiohttp.ClientResponse, bytes_max: int, on_piece: Callable[[], None]
) -> bytes:
    """on_piece: called whenever bytes arrive. Raises HttpFailed as soon as there are too many."""
    if response.method == "HEAD":
        return b""
    gzip = _gzip_of(response)
    if gzip is None and (response.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    body, bytes_read = bytearray(), 0
    async for piece in response.content.iter_any():
        on_piece()
        bytes_read += len(piece)
        body += piece if gzip is None else gzip.decoded(piece, bytes_max - len(body) + 1)
        if len(body) > bytes_max or bytes_read > bytes_max + COMPRESSION_BYTES_MAX:
            raise _too_large(bytes_max)
    if gzip is not None and bytes_read:
        gzip.require_end()
    return bytes(body)


def _gzip_of(response: aiohttp.ClientResponse) -> "_Gzip | None":
    match response.headers.get("Content-Encoding", "").strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Gzip()
        case _:
            raise _invalid("its encoding is not the one that was asked for")


class _Gzip:
    """One or several gzip members (RFC 1952 section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._members_count = 1

    def decoded(self, piece: bytes, bytes_max: int) -> bytes:
        """At most bytes_max of it; the rest is then lost."""
        try:
            text = self._member.decompress(piece, bytes_max)
            while self._member.unused_data and len(text) < bytes_max:
                rest = self._member.unused_data
                self._begin_member()
                text += self._member.decompress(rest, bytes_max - len(text))
        except zlib.error:
            raise _invalid("its gzip is broken") from None
        return text

    def require_end(self) -> None:
        if not self._member.eof:
            raise _invalid("its gzip is cut off")

    def _begin_member(self) -> None:
        self._members_count += 1
        if self._members_count > GZIP_MEMBERS_MAX:
            raise _invalid(f"its gzip has more than {GZIP_MEMBERS_MAX} members")
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)


def _too_large(bytes_max: int) -> HttpFailed:
    message = f"the body of the response is larger than {bytes_max} bytes"
    return HttpFailed("response_too_large", message, retryable=False)


def _invalid(reason: str) -> HttpFailed:
    message = f"the response cannot be read: {reason}"
    return HttpFailed("invalid_response", message, retryable=False)
