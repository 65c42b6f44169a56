"""Networks of addresses as people write them: `10.0.0.0/8`, `2001:db8::/32`, or one address."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
TEXT_CHARACTERS_MAX = 64


def parsed_network(text: str) -> Network:
    """An address is a network of one. Raises ValueError with a sentence."""
    try:
        network = ip_network(text[:TEXT_CHARACTERS_MAX])
    except ValueError as error:
        message = f"{text[:TEXT_CHARACTERS_MAX]!r} is no network: {error}"
        raise ValueError(message) from None
    if network.prefixlen == 0:
        message = f"{text} is everybody"
        raise ValueError(message)
    if network.version == 6 and network.subnet_of(IPV4_IN_IPV6):  # noqa: PLR2004 # its own name
        message = f"{text} is to be written as a network of IPv4"
        raise ValueError(message)
    return network
