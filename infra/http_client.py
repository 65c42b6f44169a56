"""The one guarded way out: whatever address a tenant may name is reached through this client.

    URL ──► checked ──► host resolved once ──► every address checked ──► connected to one of them
     ▲                                                                             │
     └──────────────────────────── redirect, at most five ◄────────────────────────┘

aiohttp gets the checked address in place of the name, so nothing is resolved a second time; the
name goes into the Host header and into the check of the certificate. Proxies and cookies are off.
"""

import asyncio
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from ipaddress import ip_address

import aiohttp
from yarl import URL

from commands.http_port import HttpFailed, HttpRequest, HttpResponse
from infra.crash_points import reach
from infra.http_addresses import (
    Address,
    Lookup,
    Origin,
    SystemLookup,
    checked_addresses,
)
from infra.http_bodies import read_body
from infra.http_hops import Hop, first_hop, next_hop, require_allowed
from infra.no_names import NoNames

HTTP_REDIRECTS_MAX = 5
CONNECT_TIMEOUT_S = 10.0
ADDRESSES_TRIED_MAX = 4
HEADER_LINE_BYTES_MAX = 8 * 1024
HEADERS_MAX = 100

_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NOT_TRUSTED = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)


class GuardedHttp:
    """The port Http. allowed: what may be reached although it is not public. tls: whom to trust;
    the system's authorities when None. One session per process, closed by `aclose`.
    """

    def __init__(
        self,
        *,
        allowed: frozenset[Origin],
        connections_max: int,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._connections_max = connections_max
        self._system_lookup = SystemLookup()
        self._lookup = lookup or self._system_lookup
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, request: HttpRequest, on_progress: Callable[[], None] | None = None
    ) -> HttpResponse:
        """on_progress: called for each head of an answer, redirects included, and for each piece of
        the body. Raises HttpFailed.
        """
        hop = first_hop(request)
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._follow(hop, request, on_progress or _ignore)
        except TimeoutError:
            message = f"no whole response within {request.timeout_s:g} s"
            raise HttpFailed("timeout", message, retryable=True) from None

    async def aclose(self) -> None:
        self._system_lookup.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(
        self, hop: Hop, request: HttpRequest, on_progress: Callable[[], None]
    ) -> HttpResponse:
        for _ in range(HTTP_REDIRECTS_MAX + 1):
            require_allowed(hop.url, request.allowed_hosts)
            with _failures_named(hop.url):
                async with await self._response(hop) as response:
                    reach("http.after_request")
                    on_progress()
                    following = None
                    if request.follows_redirects:
                        location = response.headers.get("Location")
                        following = next_hop(hop, response.status, location)
                    if following is None:
                        body = await read_body(response, request.response_bytes_max, on_progress)
                        headers = _joined(response)
                        return HttpResponse(response.status, headers, body, str(hop.url))
            hop = following
        message = f"the server redirected more than {HTTP_REDIRECTS_MAX} times"
        raise HttpFailed("too_many_redirects", message, retryable=False)

    async def _response(self, hop: Hop) -> aiohttp.ClientResponse:
        """From the first address that can be connected to: until then nothing was sent."""
        host, port = str(hop.url.raw_host), int(hop.url.port or 0)
        addresses = await checked_addresses(host, port, self._allowed, self._lookup)
        *others, last = addresses[:ADDRESSES_TRIED_MAX]
        for address in others:
            try:
                return await self._sent(hop, address)
            except _NOT_TRUSTED:
                raise
            except _NOT_CONNECTED:
                continue
        return await self._sent(hop, last)

    async def _sent(self, hop: Hop, address: Address) -> aiohttp.ClientResponse:
        return await self._opened_session().request(
            hop.method,
            hop.url.with_host(str(address)),
            headers={
                **hop.headers,
                "Host": hop.url.host_port_subcomponent or "",
                "Accept-Encoding": "gzip",
            },
            data=hop.body,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
            server_hostname=name_in_certificate(hop.url),
        )

    def _opened_session(self) -> aiohttp.ClientSession:
        """Made on first use, for a session belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections_max,
                    resolver=NoNames(),
                    use_dns_cache=False,
                    ssl=self._tls or True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                auto_decompress=False,  # infra/http_bodies.py does it, within its limit.
                trust_env=False,
                max_line_size=HEADER_LINE_BYTES_MAX,
                max_field_size=HEADER_LINE_BYTES_MAX,
                max_headers=HEADERS_MAX,
            )
        return self._session


def _ignore() -> None:
    """For a caller that does not wait for progress."""


def name_in_certificate(url: URL) -> str | None:
    """None: the address itself, when that is what the URL names."""
    host = str(url.raw_host)
    try:
        ip_address(host)
    except ValueError:
        return host.rstrip(".") if url.scheme == "https" else None
    return None


def _joined(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    return headers


@contextmanager
def _failures_named(url: URL) -> Generator[None]:
    """Turns what can go wrong on the wire into HttpFailed."""
    host = url.raw_host
    try:
        yield
    except _NOT_TRUSTED:
        message = f"the certificate of {host} is not trusted, or TLS failed"
        raise HttpFailed("tls_failed", message, retryable=False) from None
    except aiohttp.ConnectionTimeoutError:
        message = f"no connection to {host} within {CONNECT_TIMEOUT_S:g} s"
        raise HttpFailed("timeout", message, retryable=True) from None
    except aiohttp.ClientConnectorError:
        raise HttpFailed("unavailable", f"no connection to {host}", retryable=True) from None
    except aiohttp.ClientResponseError:
        message = f"what {host} answered is not HTTP, or its headers are too large"
        raise HttpFailed("invalid_response", message, retryable=False) from None
    except (aiohttp.ClientError, ConnectionError):
        message = f"the connection to {host} broke off"
        raise HttpFailed("unavailable", message, retryable=True) from None
