"""One request of an exchange: where the first goes, and where a redirect (RFC 9110 section 15.4)
leads, with what may go along.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address

from yarl import URL

from commands.http_port import HttpFailed, HttpRequest
from domain.allowed_hosts import is_host_allowed
from domain.http_headers import header_mistakes

URL_CHARACTERS_MAX = 8000
USER_AGENT = "AgentLedger"

_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_WITHOUT_KEY = ("GET", "HEAD")
# To another origin goes only what is known to be no credential: the names of keys and tokens are
# anybody's invention.
_KEPT_ACROSS_ORIGINS = frozenset(
    {
        "accept",
        "accept-language",
        "content-language",
        "content-type",
        "idempotency-key",
        "traceparent",
        "user-agent",
    }
)
_OF_THE_BODY = frozenset(
    {"content-encoding", "content-language", "content-location", "content-type", "digest"}
)
# Parsers disagree about these, and what two parsers read differently was checked by neither.
_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\\]")
_HOST = re.compile(r"[a-z0-9_][a-z0-9._-]{0,252}")


@dataclass(frozen=True, slots=True)
class Hop:
    method: str
    url: URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


def first_hop(request: HttpRequest) -> Hop:
    """Raises HttpFailed."""
    for name, reason in header_mistakes(request.headers):
        raise HttpFailed("invalid_header", f"header {name[:128]}: {reason}", retryable=False)
    names = {name.lower() for name in request.headers}
    added: dict[str, str] = {}
    if "user-agent" not in names:
        added["User-Agent"] = USER_AGENT
    if request.method not in _WITHOUT_KEY and "idempotency-key" not in names:
        added["Idempotency-Key"] = request.idempotency_key
    url = checked_url(request.url).extend_query(request.query)
    return Hop(request.method, url, {**request.headers, **added}, request.body)


def next_hop(hop: Hop, status: int, location: str | None) -> Hop | None:
    """None for an answer that is no redirect. Raises HttpFailed."""
    if status not in _REDIRECTS or location is None:
        return None
    url = checked_url(location, base=hop.url)
    headers = hop.headers
    if url.origin() != hop.url.origin():
        headers = {n: v for n, v in headers.items() if n.lower() in _KEPT_ACROSS_ORIGINS}
    if not _becomes_get(hop.method, status):
        return Hop(hop.method, url, headers, hop.body)
    unfit = _OF_THE_BODY | {"idempotency-key"}
    return Hop("GET", url, {n: v for n, v in headers.items() if n.lower() not in unfit}, None)


def require_allowed(url: URL, allowed_hosts: Iterable[Iterable[str]]) -> None:
    """allowed_hosts: of each secret that goes along. Raises HttpFailed."""
    host, port = url.raw_host or "", url.port or 0
    if not all(is_host_allowed(entries, url.scheme, host, port) for entries in allowed_hosts):
        message = f"a secret in this request may not be sent to {url.scheme}://{host}:{port}"
        raise HttpFailed("secret_not_allowed", message, retryable=False)


def checked_url(text: str, *, base: URL | None = None) -> URL:
    """An absolute URL that says one thing only. Raises HttpFailed, which never quotes it."""
    if len(text) > URL_CHARACTERS_MAX:
        raise _invalid(f"it is longer than {URL_CHARACTERS_MAX} characters")
    if _AMBIGUOUS.search(text):
        raise _invalid("there is a control character or a backslash in it")
    try:
        url = URL(text) if base is None else base.join(URL(text))
        host, port = url.raw_host or "", url.port
    except ValueError:
        raise _invalid("it cannot be read") from None
    if url.scheme not in ("http", "https"):
        raise _invalid("it does not begin with http:// or https://")
    if url.raw_user is not None or url.raw_password is not None:
        raise _invalid("there is a user or a password in it")
    if not port or not (_is_ipv6(host) if ":" in host else _HOST.fullmatch(host)):
        raise _invalid("its host or port cannot be one")
    return url


def _becomes_get(method: str, status: int) -> bool:
    if status == HTTPStatus.SEE_OTHER:
        return method not in ("GET", "HEAD")
    # What every client does with these two, and the RFC permits.
    return method == "POST" and status in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND)


def _is_ipv6(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _invalid(reason: str) -> HttpFailed:
    return HttpFailed("invalid_url", f"the URL is not valid: {reason}", retryable=False)
