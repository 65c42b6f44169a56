"""Where the outbound client may connect to: the public internet, and what the operator lets through
by name (`AGENTLEDGER_HTTP_ALLOW`).

The tables are those of the IANA special-purpose registries, written out, because the flags of
`ipaddress` differ between the releases of Python that we run on. Of IPv6 only global unicast is
public, so every form that carries an IPv4 address inside (mapped, compatible, NAT64) is refused
without being decoded, and the two that lie within global unicast (6to4, Teredo) are listed.
"""

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol, TypeAlias

from commands.http_port import HttpFailed

Address: TypeAlias = IPv4Address | IPv6Address
Origin: TypeAlias = tuple[str, int]

LOOKUPS_MAX = 16
LOOKUP_TIMEOUT_S = 10.0
PORT_MAX = 65535

_REFUSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # This network; unspecified.
            "10.0.0.0/8",
            "100.64.0.0/10",  # Carrier-grade NAT; Alibaba's metadata.
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, public by number only.
            "169.254.0.0/16",  # Link-local; the metadata of most clouds.
            "172.16.0.0/12",
            "192.0.0.0/24",  # IETF assignments; Oracle's metadata.
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays.
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",  # Reserved; broadcast.
        ),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF assignments; Teredo.
            "2001:db8::/32",
            "2002::/16",  # 6to4.
            "3ffe::/16",  # 6bone, handed back.
            "3fff::/20",
        ),
    )
)

_ALLOWED = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>\d{1,5})")


class Lookup(Protocol):
    async def addresses(self, host: str, port: int) -> list[Address]:
        """Every address of a host, in the order to try them. Raises OSError."""
        ...


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and not any(address in network for network in _REFUSED_IPV6)
    )


def allowed_origins(text: str) -> frozenset[Origin]:
    """What a setting like `localhost:9000,[::1]:8080` lets through. Raises ValueError with a
    sentence.
    """
    return frozenset(_origin(part.strip()) for part in text.split(",") if part.strip())


def _origin(text: str) -> Origin:
    parts = _ALLOWED.fullmatch(text)
    if parts is None or not 0 < int(parts["port"]) <= PORT_MAX:
        raise ValueError(f"`{text}` is not host:port")
    return canonical_host(parts["ipv6"] or parts["host"]), int(parts["port"])


def canonical_host(host: str) -> str:
    """One spelling of a name or a plain address; what else resolves to an address is a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


async def checked_addresses(
    host: str, port: int, allowed: frozenset[Origin], lookup: Lookup
) -> list[Address]:
    """The addresses to connect to, asked for once. One that is not public refuses them all, for
    nobody honest mixes them. Raises HttpFailed.
    """
    addresses = await _resolved(host, port, lookup)
    if (canonical_host(host), port) in allowed:
        return addresses
    if not all(map(is_public, addresses)):
        message = f"{host} leads to an address that is not public"
        raise HttpFailed("forbidden_address", message, retryable=False)
    return addresses


async def _resolved(host: str, port: int, lookup: Lookup) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            addresses = await lookup.addresses(host, port)
    except (OSError, TimeoutError):
        addresses = []
    if not addresses:
        raise HttpFailed("dns_failed", f"no address was found for {host}", retryable=True)
    return addresses


class SystemLookup:
    """The system's resolver, in threads of its own: names that take long to fail hold up nothing
    but other names.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="lookup")

    async def addresses(self, host: str, port: int) -> list[Address]:
        # As bytes, or Python would apply IDNA once more, and raise UnicodeError.
        ask = partial(socket.getaddrinfo, host.encode("ascii"), port, type=socket.SOCK_STREAM)
        answers = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(ip_address(str(sockaddr[0])) for *_, sockaddr in answers))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
