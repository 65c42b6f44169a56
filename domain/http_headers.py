"""Which headers a request to the web may carry: those that are not the business of the connection
(RFC 9110 section 7.6.1), and no more than a server reads.
"""

import re
from collections.abc import Iterator, Mapping

HEADERS_MAX = 64
HEADER_CHARACTERS_MAX = 8000

REFUSED_HEADERS = frozenset(
    {
        "accept-encoding",  # What comes back must be something the client can read.
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_mistakes(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(name, reason) of every header that cannot be sent. Values are never repeated."""
    seen: set[str] = set()
    for place, (name, value) in enumerate(headers.items()):
        reason = "there is one of this name already" if name.lower() in seen else _reason(name)
        if reason is None and _CONTROL.search(value):
            reason = "there is a control character in it"
        if reason is None and len(value) > HEADER_CHARACTERS_MAX:
            reason = f"it is longer than {HEADER_CHARACTERS_MAX} characters"
        if reason is None and place >= HEADERS_MAX:
            reason = f"there are more than {HEADERS_MAX} headers"
        if reason is not None:
            yield name, reason
        seen.add(name.lower())


def _reason(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "this is no name of a header"
    if name.lower() in REFUSED_HEADERS:
        return "this header belongs to the connection and cannot be set"
    return None
