"""Where a request comes from: the peer of its socket, or what a trusted proxy says about it.

    X-Forwarded-For: 203.0.113.9, 198.51.100.7, 10.0.0.2     peer: 10.0.0.3
                     ^ anybody    ^ the client   └── proxies of ours, read from the right

Only the right-most address that is no proxy of ours was seen by one of ours; whatever stands to the
left of it was sent by the client, who may write what he likes. `Forwarded` (RFC 7239) is not read:
a proxy that sets one of the two headers passes the other on as it came, the client's own.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from starlette.types import Scope

from domain.networks import Network, parsed_network
from infra.http_addresses import Address

FORWARDED_FOR = b"x-forwarded-for"
NETWORKS_MAX = 100
# As many proxies as may stand in a row, and as much of the header as is read.
HOPS_MAX = 16
FORWARDED_CHARACTERS_MAX = 1024
USER_AGENT_CHARACTERS_MAX = 256


class ClientAddresses:
    """trusted: the networks of our own proxies; with none the header is never looked at."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """The address in its one form, an IPv4 address in IPv6 as itself; "" when it is unknown."""
        client = scope.get("client")
        peer = client[0] if client else ""
        address = parsed_address(peer)
        if address is None:
            return peer
        if self._trusted and self._is_trusted(address):
            address = self._forwarded_for(scope, address)
        return str(address)

    def _forwarded_for(self, scope: Scope, peer: Address) -> Address:
        """The last hop that was told by one we trust; what nobody can read ends the walk."""
        lines = [value for name, value in scope["headers"] if name == FORWARDED_FOR]
        text = b",".join(lines)[-FORWARDED_CHARACTERS_MAX:].decode("latin-1")
        nearest = peer
        for hop in reversed(text.split(",")[-HOPS_MAX:]):
            address = parsed_address(_without_port(hop.strip()))
            if address is None:
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return nearest

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def told_user_agent(raw: bytes | None) -> str | None:
    """Of the header User-Agent, cut; bytes that are not printable ASCII become `?`."""
    if raw is None:
        return None
    text = raw[:USER_AGENT_CHARACTERS_MAX].decode("latin-1")
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def parsed_address(text: str) -> Address | None:
    """None for what is no address. A zone (`%eth0`) names an interface of ours, not the client."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parsed_networks(text: str) -> tuple[Network, ...]:
    """Of `10.0.0.0/8, 2001:db8::/32`. Raises ValueError with a sentence about the first mistake."""
    texts = [part.strip() for part in text.split(",") if part.strip()]
    if len(texts) > NETWORKS_MAX:
        message = f"at most {NETWORKS_MAX} networks"
        raise ValueError(message)
    return tuple(parsed_network(part) for part in texts)


def _without_port(hop: str) -> str:
    """Of `192.0.2.1:80`, `[2001:db8::1]:80` and bare addresses."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
