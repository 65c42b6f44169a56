"""How often an address may call without a valid credential. A valid credential is never held to its
address.
"""

from ipaddress import ip_address

from starlette.types import Scope

from infra.caller_limits import take
from infra.rate_limits import Limit, RateLimits

IPV6_NETWORK_BITS = 64


class AddressLimits:
    """One limit for each address, counted by its name: two with one name are one."""

    def __init__(self, limits: RateLimits, limit: Limit) -> None:
        self._limits = limits
        self._limit = limit

    async def take(self, scope: Scope, address: str) -> None:
        """Count one call. Raises the limit's refusal with the time until the next is allowed; when
        it is strict also Unavailable.
        """
        await take(self._limits, scope, self._limit, network_of(address))


def network_of(address: str) -> str:
    """An IPv6 caller owns a whole network of addresses, so it counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 # the version is its own name
        return address
    return str(int(parsed) >> (128 - IPV6_NETWORK_BITS))
