"""Posts to addresses that tenants chose: as guarded as the requests of http nodes
(infra/http_client.py), with answers that may be streamed.

The name is resolved once and every address of it checked; aiohttp then gets an address, so it
resolves nothing, and reads no spelling of an address in a way of its own.
"""

from collections.abc import Mapping

import aiohttp
from yarl import URL

from commands.http_port import HttpFailed
from infra.http_addresses import Address, Lookup, Origin, SystemLookup, checked_addresses
from infra.http_client import ADDRESSES_TRIED_MAX, name_in_certificate
from infra.http_hops import checked_url
from infra.models.failures import failed


class Guard:
    """allowed: what may be reached although it is not public."""

    def __init__(self, allowed: frozenset[Origin], lookup: Lookup | None = None) -> None:
        self._allowed = allowed
        self._system_lookup = SystemLookup()
        self._lookup = lookup or self._system_lookup

    def close(self) -> None:
        self._system_lookup.close()

    async def post(
        self, session: aiohttp.ClientSession, address: str, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        """From the first address that can be connected to. Raises ModelFailed, and what aiohttp
        raises.
        """
        try:
            url = checked_url(address)
            host, port = str(url.raw_host), int(url.port or 0)
            found = await checked_addresses(host, port, self._allowed, self._lookup)
        except HttpFailed as refusal:
            code = "unavailable" if refusal.retryable else "invalid"
            raise failed(code, refusal.message) from None
        *others, last = found[:ADDRESSES_TRIED_MAX]
        for one in others:
            try:
                return await _sent(session, url, one, headers=headers, body=body)
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
                raise
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
        return await _sent(session, url, last, headers=headers, body=body)


async def _sent(
    session: aiohttp.ClientSession,
    url: URL,
    address: Address,
    *,
    headers: Mapping[str, str],
    body: bytes,
) -> aiohttp.ClientResponse:
    return await session.post(
        url.with_host(str(address)),
        data=body,
        headers={**headers, "Host": url.host_port_subcomponent or ""},
        allow_redirects=False,
        server_hostname=name_in_certificate(url),
    )
